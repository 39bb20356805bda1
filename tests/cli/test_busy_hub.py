"""Hubs that are busy, silent or slow: notices while they are, and an error in a stated time.

Runs that wait mostly sleep, so that several are under way at once.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.hub import Fault, Hub, serving
from tests.support.run import run
from tests.support.stock import MAIN, OTHER, files_below, stock

LIST = ("download", "--repo", OTHER, "--quant", "Q4_K")
SOON = {"HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}


class Case(NamedTuple):
    """A fault that lasts, what is said of it, and the seconds in which it is given up."""

    fault: Fault
    sentence: str
    seconds: float
    arguments: tuple[str, ...] = MAIN


BUSY = [
    Case(Fault(method="HEAD", status=500), "The Hub answered with status 500.", 30),
    Case(Fault(method="GET", status=500), "The Hub answered with status 500.", 30),
    Case(Fault(method="GET", status=408), "The Hub answered with status 408.", 30),
    Case(Fault(method="HEAD", status=429), "too many requests from you (status 429).", 30),
    Case(Fault(target="list", status=503), "The Hub answered with status 503.", 30, LIST),
]
SILENT = [
    Case(Fault(method="HEAD", silent_seconds=9), "did not answer in time", 40),
    Case(Fault(target="list", silent_seconds=9), "did not answer in time", 40, LIST),
    Case(Fault(method="GET", silent_seconds=9), "did not answer in time", 60),
    Case(Fault(stall_at=400_000, stall_seconds=9), "did not answer in time", 60),
    Case(Fault(cut_at=400_000), "The connection broke during", 30),
    Case(Fault(hang_up=True), "The connection broke during", 30),
]


def outcome(case: Case, folder: Path) -> str:
    """Return what is said on standard error, once all else is as it should be."""
    with serving(folder) as hub:
        stock(hub).fail(case.fault)
        start = time.monotonic()
        result = run(*case.arguments, env=hub.environment(**SOON))
        seconds = time.monotonic() - start
        assert (result.returncode, result.stdout) == (3, b"")
        assert seconds < case.seconds
        assert files_below(hub.cache) == []
        hub.recover()
        assert run(*case.arguments, env=hub.environment()).returncode == 0
    return result.stderr.decode()


def test_what_never_gets_better_is_given_up(tmp_path: Path) -> None:
    cases = BUSY + SILENT
    with ThreadPoolExecutor(len(cases)) as pool:
        said = list(pool.map(outcome, cases, (tmp_path / str(i) for i in range(len(cases)))))
    for case, errors in zip(cases, said, strict=True):
        last = errors.splitlines()[-1]
        assert last.startswith("Error: ")
        assert case.sentence in last
        notices = ("is busy or slow; trying again in ", "No data from ")
        assert any(sentence in errors for sentence in notices)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="HEAD", status=500, times=1),
        Fault(method="GET", status=500, times=1),
        Fault(method="GET", status=503, times=1),
        Fault(method="GET", status=429, times=1, headers={"Retry-After": "1"}),
        Fault(method="HEAD", status=429, times=1, headers={"RateLimit": '"api";r=0;t=1'}),
    ],
)
def test_what_gets_better_is_reported_and_succeeds(hub: Hub, tmp_path: Path, fault: Fault) -> None:
    stock(hub).fail(fault)
    to = ("--to", str(tmp_path / "models")) if fault.method == "GET" else ()
    result = run(*MAIN, *to, env=hub.environment())
    assert result.returncode == 0
    first, *rest = result.stderr.decode().splitlines()
    assert first == f"{hub.address} is busy or slow; trying again in 1 s."
    assert len(rest) == 2


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize(
    "headers", [{"Retry-After": "3600"}, {"RateLimit": '"resolvers";r=0;t=3600'}]
)
def test_a_pause_that_is_too_long_is_reported_at_once(
    hub: Hub, method: str, headers: dict[str, str]
) -> None:
    stock(hub).fail(Fault(method=method, status=429, headers=headers))
    start = time.monotonic()
    result = run(*MAIN, env=hub.environment())
    assert time.monotonic() - start < 10
    assert result.returncode == 3
    assert result.stderr.decode().splitlines() == [
        "Error: The Hub has received too many requests from you (status 429), and asks you to"
        " wait 3600 s. Wait that long, then run the command again."
    ]


def test_a_silence_is_reported_before_any_data(hub: Hub) -> None:
    stock(hub).fail(Fault(method="HEAD", silent_seconds=5, times=1))
    result = run(*MAIN, env=hub.environment())
    assert result.returncode == 0
    notice = f"No data from {hub.address}; waiting, will retry."
    assert result.stderr.decode().splitlines()[0] == notice
