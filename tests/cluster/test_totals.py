"""What a run has done, as Prometheus reads it."""

import re
import socket
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from distilgpt2_cli.cluster.job import Done
from distilgpt2_cli.cluster.totals import Totals, metrics_served
from distilgpt2_cli.errors import DistilError, UsageError

REMEDY = "Choose another port."
EARLIER = Done(number=0, rows=4, results=3, failures=1, tokens=70, empty=2, size=100, again=True)
NEW = Done(number=1, rows=6, results=12, tokens=30, cut=1, size=50, seconds=0.5)
_LINE = re.compile(r"# (HELP|TYPE) distil_map_\w+ \S.*|distil_map_\w+ [0-9.]+")


def totals() -> Totals:
    counted = Totals(200)
    for done in (EARLIER, NEW):
        counted.add(done)
    return counted


def values(text: str) -> dict[str, str]:
    """Return the samples, after a check of every line."""
    assert all(map(_LINE.fullmatch, text.splitlines()))
    samples = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {name.removeprefix("distil_map_"): value for name, value in samples}


def test_counts() -> None:
    counted = totals()
    found = values(counted.metrics())
    assert float(found.pop("seconds")) >= 0
    assert found == {
        "rows_total": "10",
        "results_total": "15",
        "failures_total": "1",
        "tokens_total": "100",
        "parts_total": "2",
        "earlier_rows": "4",
        "read_bytes": "150",
        "input_bytes": "200",
    }
    assert counted.summary == {
        "parts": 2,
        "rows": 10,
        "results": 15,
        "failures": 1,
        "tokens": 100,
        "empty": 2,
        "cut": 1,
    }
    counted.begin -= 2
    assert counted.rows_per_second == pytest.approx(3, rel=0.5)  # without those of before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_over_http(host: str) -> None:
    counted = totals()
    with metrics_served(counted, host, 0, REMEDY) as url:
        with urllib.request.urlopen(url) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert values(answer.read().decode())["rows_total"] == "10"
        counted.add(replace(NEW, number=2))
        with urllib.request.urlopen(f"{url}?x=1") as answer:
            assert values(answer.read().decode())["rows_total"] == "16"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url.replace("/metrics", "/"))
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(url)


def test_a_place_where_nobody_can_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(DistilError, match=f"port {port}: Address already in use. {REMEDY}"),
            metrics_served(totals(), "127.0.0.1", port, REMEDY),
        ):
            pass
    with (
        pytest.raises(UsageError, match=r"no\.such\.host\.invalid is not a known host name"),
        metrics_served(totals(), "no.such.host.invalid", 0, REMEDY),
    ):
        pass
