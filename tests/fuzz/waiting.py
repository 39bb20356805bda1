"""How long a download that can't succeed takes to say so, fault by fault, with distil's defaults.

python -m tests.fuzz.waiting
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import no_names
from tests.support.hub import FOR_EVER, Fault, serving
from tests.support.proxy import refusing_proxy
from tests.support.run import DISTIL
from tests.support.stock import CONTENT, MAIN, stock

AT_A_TIME = 6
LIMIT = 180  # seconds


@dataclass(frozen=True)
class Case:
    """What goes wrong for ever, in words and in fact."""

    name: str
    fault: Fault | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ()


def cases(proxy: str) -> list[Case]:
    """Return all faults; the slow ones first, as several are under way at once."""
    longer = {"Content-Length": str(len(CONTENT) + 1000)}
    dead = (sys.executable, "-m", "tests.support.no_names")
    found = [
        Case("nothing after half of the file", Fault(stall_at=500_000, stall_seconds=FOR_EVER)),
        Case("no answer to the second request", Fault(method="GET", silent_seconds=FOR_EVER)),
        Case("no answer at all", Fault(method=None, silent_seconds=FOR_EVER)),
        Case("status 500 to the first request", Fault(method="HEAD", status=500)),
        Case("status 500 to the second", Fault(method="GET", status=500)),
        Case("status 429", Fault(method="HEAD", status=429)),
        Case("a body cut short", Fault(cut_at=500_000)),
        Case("a connection closed without an answer", Fault(hang_up=True)),
        Case("status 429, a pause of an hour",
             Fault(method="HEAD", status=429, headers={"Retry-After": "3600"})),
        Case("connection refused", env={"HF_ENDPOINT": "http://127.0.0.1:9"}),
        Case("a host that nobody knows", env={"HF_ENDPOINT": "http://hub.invalid"}),
        Case("no TLS there", env={"HF_ENDPOINT": "https"}),
        Case("a proxy that refuses", env={"HTTP_PROXY": proxy, "HF_ENDPOINT": "http://hub.invalid"}),
        Case("status 401", Fault(method="HEAD", status=401)),
        Case("status 403, gated", Fault(method="HEAD", status=403, error_code="GatedRepo")),
        Case("status 404", Fault(method="HEAD", status=404, error_code="EntryNotFound")),
        Case("status 416", Fault(method="GET", status=416)),
        Case("one wrong byte", Fault(flip_at=500_000)),
        Case("a body longer than announced", Fault(extra=bytes(1000), headers=longer)),
    ]  # fmt: skip
    if no_names.is_possible():
        host = {"HF_ENDPOINT": "http://hub.example"}
        found.insert(0, Case("a name server that never answers", env=host, launcher=dead))
    return found


def measure(case: Case) -> tuple[int, float, str]:
    """Return status, seconds and the last line."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as hub:
        stock(hub)
        if case.fault:
            hub.fail(case.fault)
        env = {**hub.environment(), **case.env}
        if env["HF_ENDPOINT"] == "https":
            env["HF_ENDPOINT"] = hub.address.replace("http:", "https:")
        start = time.monotonic()
        result = subprocess.run(
            [*case.launcher, *DISTIL, *MAIN], env=env, capture_output=True, timeout=LIMIT
        )
        seconds = time.monotonic() - start
    return result.returncode, seconds, result.stderr.decode().splitlines()[-1]


def main() -> None:
    """Print a line for each fault; fail if one has not the status of a failed download."""
    with refusing_proxy(407) as proxy, ThreadPoolExecutor(AT_A_TIME) as pool:
        all_of_them = cases(proxy)
        results = list(pool.map(measure, all_of_them))
    for case, (status, seconds, _) in zip(all_of_them, results, strict=True):
        print(f"{case.name}: status {status} after {seconds:.1f} s")
    bad = [line for status, _, line in results if status not in (3, 4) or "Error: " not in line]
    print(f"faults that last: {len(results)}; {len(bad)} bad")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
