"""Rows by `distil map`, beside the same lines by `--workers` and by one process."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.bench.finding import Finding, Turn, in_turns, of_turns
from tests.support.processes import peak_memory
from tests.support.ray_cluster import ray_cluster

TURNS = 3
FILE = "Q4_K_M"  # other files differ in their own speed, and not in what Ray takes
_MEMORY_ROWS = 512
ONE, WORKERS, ACTOR, ACTORS = "one process", "2 workers", "1 actor", "2 actors"
_CORES = {ONE: 1, WORKERS: 2, ACTOR: 1, ACTORS: 2}
# With the rows of a chunk, and how many chunks the larger of two runs has more for each core.
_COMMANDS: Mapping[str, tuple[Sequence[str], int, int]] = {
    "score": (("score",), 256, 4),
    "generate": (("generate", "--max-tokens", "8", "--ignore-eos", "--seed", "1"), 128, 3),
}
Run = Callable[[Path], float]


def mapped(path: Path, file: str) -> Iterator[Finding]:
    """Group 18: rows/s of actors by those of worker processes, their start, and their memory.

    A rate is of the rows that the larger of two runs has more, by the time that they take, so that
    the start is no part of it.
    """
    if file != FILE:
        return
    with ray_cluster(os.environ, 1) as cluster:
        for name, (command, chunk, more) in _COMMANDS.items():
            given = (*command, "--model", str(path), "--parallel", "16")
            lines = partial(_lines_seconds, given)
            rows = partial(map_seconds, (*given, "--part-rows", str(chunk)))
            runs: Mapping[str, Run] = {
                ONE: partial(lines, ("--workers", "1", "--threads", "1")),
                WORKERS: partial(lines, ("--workers", "2", "--threads", "1")),
                # A single one of this machine alone would compute without Ray.
                ACTOR: partial(rows, ("--cluster", cluster.address)),
                ACTORS: partial(rows, ("--workers", "2")),
            }
            yield from _found(name, file, _turns(runs, chunk, more))
    for parallel in ("1", "16"):
        yield _memory(path, file, parallel)


def _turns(runs: Mapping[str, Run], chunk: int, more: int) -> list[Turn]:
    """Return the rates, and the seconds that each run takes besides its rows, of each turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = {}
        for way, run in runs.items():
            for size in (2, 2 + more):  # a single chunk would be computed without Ray
                rows = size * chunk * _CORES[way]
                ways[f"{way}, {size}"] = partial(run, _source(folder / f"{rows}.txt", rows))
        turns = in_turns(ways, TURNS)
    found: list[Turn] = []
    for turn in turns:
        rates, starts = {}, {}
        for way in runs:
            small, large = turn[f"{way}, 2"], turn[f"{way}, {2 + more}"]
            rates[way] = more * chunk * _CORES[way] / (large - small)
            starts[f"start of {way}"] = small - 2 * (large - small) / more
        found.append(rates | starts)
    return found


def _found(name: str, file: str, turns: Sequence[Turn]) -> Iterator[Finding]:
    for what, over, bar in ((ACTORS, WORKERS, 0.9), (ACTOR, ONE, None), (ACTORS, ACTOR, None)):
        yield of_turns(
            18,
            f"rows/s of `{name}` by {what} by those of {over}",
            file,
            [{way: turn[way] for way in _CORES} for turn in turns],
            lambda turn, what=what, over=over: turn[what] / turn[over],  # type: ignore[misc]
            bar,
        )
    yield of_turns(
        18,
        f"s that `map {name} --workers 2` takes besides its rows",
        file,
        [{way: turn[f"start of {way}"] for way in _CORES} for turn in turns],
        lambda turn: turn[ACTORS],
    )


def _memory(path: Path, file: str, parallel: str) -> Finding:
    """Compare what two actors and Ray have in memory with what two worker processes have."""
    with tempfile.TemporaryDirectory() as name:
        source = str(_source(Path(name) / "in.txt", _MEMORY_ROWS))
        options = (*_COMMANDS["generate"][0], "--model", str(path), "--parallel", parallel)
        common = (*options, "--workers", "2", "--threads", "1")
        by_lines = peak_memory(_command([*common, "--lines", "--file", source]))
        rows = ["map", *common, source, "--output", str(Path(name) / "out"), "--part-rows", "128"]
        return Finding(
            18,
            f"MB of memory of `map generate --workers 2 --parallel {parallel}`, all together",
            file,
            peak_memory(_command(rows)) / 1e6,
            medians={WORKERS: round(by_lines / 1e6)},
        )


def _source(path: Path, rows: int) -> Path:
    path.write_text("".join(f"Sentence number {number} is about\n" for number in range(rows)))
    return path


def _lines_seconds(command: Sequence[str], options: Sequence[str], source: Path) -> float:
    return _seconds([*command, "--lines", "--file", str(source), *options])


def map_seconds(command: Sequence[str], options: Sequence[str], source: Path) -> float:
    """Return how long a command of `distil map` takes for the rows of a file."""
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "out")
        return _seconds(["map", *command, str(source), "--output", output, *options])


def _seconds(arguments: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(_command(arguments), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "distilgpt2_cli", *arguments, "--quiet"]
