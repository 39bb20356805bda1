"""Hubs that are busy, silent or slow: notices while they are, and an error in a stated time.

How soon is measured by ``make fuzz``. Runs that wait mostly sleep, so that several are under way
at once.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.extent import ALL_CASES, cases
from tests.support.hub import FOR_EVER, Fault, Hub, serving
from tests.support.run import TIMEOUT, run, started
from tests.support.stock import MAIN, OTHER, arrived_below, stock

LIST = ("download", "--repo", OTHER, "--quant", "Q4_K")
SOON = {"HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "1"}
AT_ONCE = {"Retry-After": "0"}
RETRIES = 4


class Case(NamedTuple):
    """A fault that lasts, and what is said of it."""

    fault: Fault
    sentence: str
    arguments: tuple[str, ...] = MAIN


# All cases are every kind of fault with every kind of request.
BUSY = cases(
    [
        Case(Fault(method="HEAD", status=500), "The Hub answered with status 500."),
        Case(Fault(method="GET", status=408), "The Hub answered with status 408."),
        Case(Fault(method="HEAD", status=429), "too many requests from you (status 429)."),
        Case(Fault(target="list", status=503), "The Hub answered with status 503.", LIST),
    ],
    [Case(Fault(method="GET", status=500), "The Hub answered with status 500.")],
)
SILENT = cases(
    [
        Case(Fault(method="HEAD", silent_seconds=FOR_EVER), "did not answer in time"),
        Case(Fault(stall_at=400_000, stall_seconds=FOR_EVER), "did not answer in time"),
        Case(Fault(cut_at=400_000), "The connection broke during"),
        Case(Fault(hang_up=True), "The connection broke during"),
    ],
    [
        Case(Fault(target="list", silent_seconds=FOR_EVER), "did not answer in time", LIST),
        Case(Fault(method="GET", silent_seconds=FOR_EVER), "did not answer in time"),
    ],
)


def outcome(case: Case, folder: Path) -> str:
    """Return what is said on standard error, once all else is as it should be.

    With all cases the usual pauses are waited for, which take 15 s together; else a busy Hub asks
    for the next request at once, until the last one.
    """
    with serving(folder) as hub:
        if case in BUSY and not ALL_CASES:
            hub.fail(replace(case.fault, headers=AT_ONCE, times=RETRIES))
        stock(hub).fail(case.fault)
        waits = SOON if FOR_EVER in (case.fault.silent_seconds, case.fault.stall_seconds) else {}
        result = run(*case.arguments, env=hub.environment(**waits))
        assert (result.returncode, result.stdout) == (3, b"")
        stop = case.fault.stall_at or case.fault.cut_at
        assert arrived_below(hub.cache) == ([stop] if stop else [])
        if case in BUSY:
            assert result.stderr.count(b"is busy or slow; trying again in ") == RETRIES
        hub.recover()
        assert run(*case.arguments, env=hub.environment()).returncode == 0
    return result.stderr.decode()


def test_what_never_gets_better_is_given_up(tmp_path: Path) -> None:
    lasting = BUSY + SILENT
    with ThreadPoolExecutor(len(lasting)) as pool:
        said = list(pool.map(outcome, lasting, (tmp_path / str(i) for i in range(len(lasting)))))
    for case, errors in zip(lasting, said, strict=True):
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


def test_pauses_grow(hub: Hub) -> None:
    stock(hub).fail(Fault(method="HEAD", status=502, times=2))
    result = run(*MAIN, env=hub.environment())
    assert result.returncode == 0
    assert result.stderr.decode().splitlines()[:2] == [
        f"{hub.address} is busy or slow; trying again in {pause} s." for pause in (1, 2)
    ]


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize(
    "headers", [{"Retry-After": "3600"}, {"RateLimit": '"resolvers";r=0;t=3600'}]
)
def test_a_pause_that_is_too_long_is_reported_at_once(
    hub: Hub, method: str, headers: dict[str, str]
) -> None:
    stock(hub).fail(Fault(method=method, status=429, headers=headers))
    result = run(*MAIN, env=hub.environment())
    assert result.returncode == 3
    assert result.stderr.decode().splitlines() == [
        "Error: The Hub has received too many requests from you (status 429), and asks you to"
        " wait 3600 s. Wait that long, then run the command again."
    ]


def test_a_silence_is_reported_before_any_data(hub: Hub) -> None:
    stock(hub).fail(Fault(method="HEAD", silent_seconds=FOR_EVER, times=1))
    with started(*MAIN, env=hub.environment(HF_HUB_ETAG_TIMEOUT="300")) as process:
        assert process.stderr is not None
        first = process.stderr.readline().decode()
        hub.go_on()
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert first == f"No data from {hub.address}; waiting, will retry.\n"
