"""Many completions at once, and many lines."""

import sys
from collections.abc import Iterator
from pathlib import Path

from distilgpt2_cli.children.process_cost import run_process
from distilgpt2_cli.engine.benchmark import measure_speeds
from tests.bench.finding import Finding, Turn, of_turns

SEQUENCES, TOKENS, TURNS = 16, 100, 5
FEW_LINES, MANY_LINES = 1_000, 100_000


def together(path: Path, file: str) -> Iterator[Finding]:
    """Group 4: 16 sequences beside a bare batched loop, and beside one sequence."""
    turns: list[Turn] = []
    for _ in range(TURNS):
        (many,), _ = measure_speeds(path, tokens=TOKENS, parallel=SEQUENCES, repetitions=1)
        (one,), _ = measure_speeds(path, tokens=TOKENS, parallel=1, repetitions=1)
        turns.append(
            {
                "distil, 16": many.generation,
                "bare loop, 16": many.bare_generation,
                "distil, 1": one.generation,
                "bare loop, 1": one.bare_generation,
            }
        )
    yield of_turns(
        4,
        "tokens/s of 16 sequences by a bare batched loop's",
        file,
        turns,
        lambda turn: turn["distil, 16"] / turn["bare loop, 16"],
        0.95,
    )
    yield of_turns(
        4,
        "tokens/s of 16 sequences by those of one",
        file,
        turns,
        lambda turn: turn["distil, 16"] / turn["distil, 1"],
        2.5,
    )
    yield of_turns(
        4,
        "the same of the bare loops",
        file,
        turns,
        lambda turn: turn["bare loop, 16"] / turn["bare loop, 1"],
    )


def lines(path: Path, file: str) -> Iterator[Finding]:
    """Group 4: the peak memory of ``--lines``, which must not grow with their number."""
    few, many = (_peak_format_bytes(path, count) for count in (FEW_LINES, MANY_LINES))
    yield Finding(
        4,
        f"MB that {MANY_LINES:,} lines take more than {FEW_LINES:,}",
        file,
        many - few,
        2.0,
        at_least=False,
        medians={f"{FEW_LINES} lines": few, f"{MANY_LINES} lines": many},
    )


def _peak_format_bytes(path: Path, count: int) -> float:
    command = f"yes 'Hello there' | head -n {count} | '{sys.executable}' -m distilgpt2_cli generate"
    command += f" --model '{path}' --lines --parallel {SEQUENCES} --max-tokens 1 --seed 1"
    return round(run_process(["sh", "-c", command]).peak_bytes / 1e6, 1)
