"""Many lines by worker processes, and by one process with all cores."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.finding import Finding, in_turns, of_turns

LINES, TURNS = 1280, 3  # ten chunks: as many for each of two workers
_GENERATE = ("generate", "--max-tokens", "8", "--ignore-eos", "--seed", "1")


def workers(path: Path, file: str) -> Iterator[Finding]:
    """Group 12: lines/s with ``--workers auto`` by one process with as many threads as cores."""
    threads = str(usable_cores())
    for what, command, bar in (
        ("generate", _GENERATE, 1.15),
        ("score", ("score",), None),
    ):
        run = partial(_lines_per_second, path, command)
        turns = in_turns(
            {
                "one process": partial(run, ("--workers", "1", "--threads", threads)),
                "workers": partial(run, ("--workers", "auto")),
            },
            TURNS,
        )
        yield of_turns(
            12,
            f"lines/s of `{what} --lines --parallel 16 --workers auto` by one process with"
            f" {threads} threads",
            file,
            turns,
            lambda turn: turn["workers"] / turn["one process"],
            bar,
        )


def _lines_per_second(path: Path, command: Sequence[str], options: Sequence[str]) -> float:
    name, *rest = command
    distil = [sys.executable, "-m", "distilgpt2_cli", name, "--model", str(path), *rest]
    with tempfile.TemporaryFile() as source:
        source.writelines(b"Sentence number %d is about\n" % number for number in range(LINES))
        source.seek(0)
        start = time.perf_counter()
        subprocess.run(
            [*distil, "--lines", "--parallel", "16", *options],
            stdin=source,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return LINES / (time.perf_counter() - start)
