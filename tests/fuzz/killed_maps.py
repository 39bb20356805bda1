"""Runs of ``distil map`` whose parts are killed at random: no result is missing, twice or other.

python -m tests.fuzz.killed_maps [COUNT [SEED]]

COUNT is of kills: of an actor, the reader, a node or the driver, on a cluster of three nodes and on
this machine alone.
"""

import random
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.fuzz.verdict import FALSE_FILE, OTHER_FAULT, Verdict, numbers
from tests.support import gguf
from tests.support.ray_cluster import ACTOR, READER, RayCluster, kill, processes, ray_cluster
from tests.support.run import Process, environment, run, started

ROWS = 2000
OPTIONS = ("--seed", "7", "--max-tokens", "48", "--ignore-eos")
NODES = 3
_START = 4.0  # seconds, in which a run has nothing yet that could be lost


class _Runs:
    """Runs of one command, one after another, until enough was killed."""

    def __init__(self, folder: Path, cluster: RayCluster | None, moments: random.Random) -> None:
        self._cluster = cluster
        self._moments = moments
        self._home = folder / "home"
        self._env = environment(self._home)
        self._input = folder / "in.txt"
        self._model = ("--model", str(folder / "tiny.gguf"))
        self._folders = iter(folder / f"out-{number}" for number in range(10**6))
        self.ends = 0

    def kill(self, count: int, verdict: Verdict) -> None:
        """Kill so many processes, and see that each run comes to its right end."""
        lines = ("generate", "--lines", *self._model, *OPTIONS)
        expected = run(*lines, "--file", str(self._input), env=self._env).stdout
        killed = 0
        while killed < count:
            output = next(self._folders)
            for status, about, errors in self._until_done(output, count - killed):
                killed += status is None
                print(about, flush=True)
                if status not in (None, 0, -signal.SIGKILL):
                    verdict.add(OTHER_FAULT, f"{about}: status {status}, {errors!r}")
            self.ends += 1
            parts = sorted(output.glob("part-*.txt"))
            if b"".join(part.read_bytes() for part in parts) != expected:
                verdict.add(FALSE_FILE, f"{output.name}: not what generate --lines writes")
            if not (output / "_SUCCESS").exists():
                verdict.add(FALSE_FILE, f"{output.name}: no sign of its end")

    def _until_done(self, output: Path, most: int) -> Iterator[tuple[int | None, str, str]]:
        """Yield each kill with no status, and each end of the driver with its status."""
        cluster = ("--cluster", self._cluster.address) if self._cluster else ()
        options = ("--resume", "--part-rows", "32", "--workers", "2", *OPTIONS, *cluster)
        command = ("map", "generate", str(self._input), "-o", str(output), *self._model, *options)
        status: int | None = -signal.SIGKILL
        while status:
            with started(*command, env=self._env, fresh=True) as driver:
                until = time.monotonic() + _START
                while driver.poll() is None:
                    time.sleep(max(until - time.monotonic(), 0) + self._moments.uniform(0, 5))
                    until = 0
                    if most and driver.poll() is None and (what := self._kill_one(driver)):
                        most -= 1
                        yield None, what, ""
                _, errors = driver.communicate()
                status = driver.returncode
                yield status, f"driver ended with {status}", errors.decode()
                if status not in (0, -signal.SIGKILL):
                    return

    def _kill_one(self, driver: Process) -> str:
        kinds = [ACTOR, READER, "driver"] + ["node"] * bool(self._cluster)
        kind = self._moments.choice(kinds)
        if kind == "driver":
            driver.kill()
            driver.wait()
        elif kind == "node":
            assert self._cluster
            self._cluster.kill(self._moments.randrange(NODES))
            self._cluster.add()
        else:
            found = processes(self._home, kind)
            if not found:
                return ""
            kill(self._moments.choice(found))
        return f"killed: {kind}"


def kill_runs(count: int, seed: int) -> Verdict:
    """Kill so many processes, two thirds of them of runs on a cluster."""
    moments, verdict, ends = random.Random(seed), Verdict(), 0
    for nodes, share in ((NODES, count - count // 3), (0, count // 3)):
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            folder = Path(name)
            gguf.write(folder / "tiny.gguf", gguf.Shape(tokens=5001))
            lines = (f"Line {number} of the story\n" for number in range(ROWS))
            (folder / "in.txt").write_text("".join(lines))
            env = environment(folder / "home")
            cluster = stack.enter_context(ray_cluster(env, nodes)) if nodes else None
            runs = _Runs(folder, cluster, moments)
            runs.kill(share, verdict)
            ends += runs.ends
    print(f"kills of runs over rows survived: {count}, {ends} runs at their end: {verdict}")
    return verdict


if __name__ == "__main__":
    kill_runs(*numbers(30, 0)).end()
