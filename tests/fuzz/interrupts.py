"""Ctrl-C and SIGTERM at moments drawn at random, in every phase of a run.

python -m tests.fuzz.interrupts [COUNT [SEED]]

Reported is the time from the signal to the end of the process. COUNT is for each phase.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from distilgpt2_cli.models.catalog import REPOSITORY
from tests.fuzz.verdict import FALSE_FILE, OTHER_FAULT, Verdict, numbers
from tests.support import gguf, no_names
from tests.support.hub import Fault, Hub, serving
from tests.support.run import DISTIL, environment
from tests.support.stock import CONTENT, MAIN, NAME, files_below, stock
from tests.support.trained import trained_model

PATIENCE = 20  # seconds
SPARSE = 8 << 30  # bytes; takes long to hash and no space
ENDLESS = ("--max-tokens", "-1", "--ignore-eos", "--seed", "1")


@dataclass(frozen=True)
class Phase:
    """What a run does when the signal comes.

    Attributes:
        name: in words.
        arguments: of ``distil``.
        moments: seconds after the start between which the signal comes.
        stdin: what it reads; None for a pipe that stays open.
        env: its environment.
        launcher: a program that starts it.
        check: returns what is wrong with standard output after an end in order.
    """

    name: str
    arguments: tuple[str, ...]
    moments: tuple[float, float]
    env: Mapping[str, str]
    stdin: bytes | None = b""
    launcher: tuple[str, ...] = ()
    check: Callable[[bytes], list[tuple[str, str]]] = lambda _output: []


@dataclass
class Tally:
    """What came of the signals of a phase.

    Attributes:
        seconds: from each signal to the end.
        statuses: how the runs ended.
        early: how many were met before the first line of distil, where Python shows a traceback.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    early: int = 0


def interrupt(
    phase: Phase, number: signal.Signals, moment: float, tally: Tally, verdict: Verdict
) -> None:
    """Start a run, send it a signal, and judge its end."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        subprocess.Popen(
            [*phase.launcher, *DISTIL, *phase.arguments],
            env=phase.env,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
        ) as process,
    ):
        start = time.monotonic()
        # A run that goes on is ended, and has a status that it should not have.
        killer = threading.Timer(phase.moments[1] + PATIENCE, process.kill)
        killer.start()
        assert process.stdin
        if phase.stdin is not None:
            process.stdin.write(phase.stdin)
            process.stdin.close()
        time.sleep(max(start + moment - time.monotonic(), 0))
        sent = time.monotonic()
        os.kill(process.pid, number)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        tally.seconds.append(time.monotonic() - sent)
        status = process.wait()
        killer.cancel()
        out.seek(0)
        err.seek(0)
        errors = err.read().decode(errors="replace")
        if "KeyboardInterrupt" in errors and f"distilgpt2_cli{os.sep}__main__.py" not in errors:
            tally.early += 1
        else:
            tally.statuses[status] += 1
            _judge(phase, number, status, out.read(), errors, verdict)


def _judge(
    phase: Phase, number: int, status: int, output: bytes, errors: str, verdict: Verdict
) -> None:
    about = f"{phase.name}, signal {number}"
    verdict.judge_end(0 if status == -number else status, errors, about)
    if status not in (128 + number, -number, 0):
        verdict.add(OTHER_FAULT, f"{about}: status {status}: {errors[-500:]!r}")
    if status == 128 + number:
        for kind, what in phase.check(output):
            verdict.add(kind, f"{about}: {what}")


def whole_records(output: bytes) -> list[tuple[str, str]]:
    """Return what is wrong with JSON Lines."""
    try:
        for line in output.splitlines():
            json.loads(line)
    except ValueError:
        return [(OTHER_FAULT, f"no record: {output[-80:]!r}")]
    return ends_a_line(output)


def ends_a_line(output: bytes) -> list[tuple[str, str]]:
    """Return what is wrong with a text."""
    return [] if output.endswith(b"\n") or not output else [(OTHER_FAULT, "no line end")]


def nothing_half(hub: Hub) -> Callable[[bytes], list[tuple[str, str]]]:
    """Return a check of what a download has left."""

    def check(output: bytes) -> list[tuple[str, str]]:
        path = hub.snapshot(REPOSITORY) / NAME
        wrong = []
        if output or (path.exists() and path.read_bytes() != CONTENT):
            wrong.append((FALSE_FILE, f"{output!r}"))
        if sum(f.stat().st_size for f in files_below(hub.cache)) > 2 * len(CONTENT):
            wrong.append((OTHER_FAULT, "too much is left"))
        return wrong

    return check


@contextmanager
def phases(folder: Path) -> Iterator[list[Phase]]:
    """Make all that the runs need."""
    tiny = str(gguf.write(folder / "tiny.gguf"))
    trained = str(trained_model())
    home = environment(folder / "home")
    with serving(folder / "stalled") as stalled, serving(folder / "silent") as silent:
        stock(stalled).fail(Fault(stall_at=700_000, stall_seconds=5))
        stock(silent).fail(Fault(method=None, silent_seconds=5))
        _put_sparse_file(silent)
        long = b"The old man and the sea. " * 1200
        unnamed = environment(folder / "home", HF_HUB_OFFLINE="0", HF_ENDPOINT="http://hub.example")
        demo = ("generate", "-m", "demo", "--max-tokens", "5", "Hi")
        all_of_them = [
            Phase("starting", demo, (0, 0.15), home),
            Phase("a whole short run", ("models",), (0, 0.35), home),
            Phase("loading", ("generate", "-m", trained, *ENDLESS, "Hi"), (0.1, 0.4), home),
            Phase("waiting for input", ("generate", "-m", tiny), (0.2, 0.6), home, stdin=None),
            Phase("tokenizing", ("generate", "-m", tiny), (0.2, 0.9), home, stdin=b"ab c" * 2**18),
            Phase("evaluating", ("generate", "-m", trained), (0.5, 2), home, stdin=long),
            Phase("generating", ("generate", "-m", tiny, *ENDLESS, "Hi"), (0.2, 1), home,
                  check=ends_a_line),
            Phase("generating JSON", ("generate", "-m", tiny, "--json", *ENDLESS, "Hi"), (0.2, 1),
                  home, check=whole_records),
            Phase("a stalled transfer", MAIN, (0, 1.5), stalled.environment(),
                  check=nothing_half(stalled)),
            Phase("a silent Hub", MAIN, (0, 1.5), silent.environment()),
            Phase("hashing", ("verify", "-q", "Q8_0", "--revision", "main"), (0.1, 1),
                  silent.environment()),
        ]  # fmt: skip
        if no_names.is_possible():
            launcher = (sys.executable, "-m", "tests.support.no_names")
            all_of_them.append(
                Phase("a dead name server", MAIN, (0.7, 1.5), unnamed, launcher=launcher)
            )
        yield all_of_them


def _put_sparse_file(hub: Hub) -> None:
    snapshot = hub.snapshot(REPOSITORY)
    refs = snapshot.parents[1] / "refs"
    blob = snapshot.parents[1] / "blobs" / ("0" * 64)
    for made in (snapshot, refs, blob.parent):
        made.mkdir(parents=True)
    (refs / "main").write_text(snapshot.name)
    with blob.open("wb") as file:
        file.truncate(SPARSE)
    (snapshot / "distilgpt2.Q8_0.gguf").symlink_to(blob)


def fuzz(count: int, seed: int) -> Verdict:
    """Send so many signals in each phase; return what went wrong."""
    rng = random.Random(seed)
    all_signals = Tally()
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as folder, phases(Path(folder)) as all_of_them:
        for phase in all_of_them:
            tally = Tally()
            for i in range(count):
                number = (signal.SIGINT, signal.SIGTERM)[i % 2]
                interrupt(phase, number, rng.uniform(*phase.moments), tally, verdict)
            print(f"- {phase.name}: {_latencies(tally.seconds)}", flush=True)
            all_signals.seconds += tally.seconds
            all_signals.statuses += tally.statuses
            all_signals.early += tally.early
    table = ", ".join(
        f"status {status}: {number}" for status, number in all_signals.statuses.most_common()
    )
    print(
        f"signals survived: {len(all_signals.seconds)} ({table}, before distil's first line:"
        f" {all_signals.early}), {_latencies(all_signals.seconds)}: {verdict}"
    )
    return verdict


def _latencies(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    late = ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)]
    return (
        f"ended after {1000 * ordered[len(ordered) // 2]:.0f} ms in the middle,"
        f" {1000 * late:.0f} ms for 99 of 100, {1000 * ordered[-1]:.0f} ms at most"
    )


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    fuzz(*numbers(40, 0)).end()


if __name__ == "__main__":
    main()
