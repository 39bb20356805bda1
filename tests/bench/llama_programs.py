"""``distil`` beside llama.cpp's own programs, on the same file and with their default settings."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distilgpt2_cli.engine.benchmark import PROMPT_TOKENS, measure_speeds
from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.finding import Finding, in_turns, of_turns
from tests.bench.processes import DISTIL
from tests.bench.programs import program

SEQUENCES, BATCH_TOKENS, TOKENS, TURNS = 16, 100, 128, 5
TEXT_TURNS = 3
TEXT = Path(__file__).parents[2] / "docs" / "cli.md"


def beside_programs(path: Path, file: str) -> Iterator[Finding]:
    """Group 14: sixteen sequences, one sequence, and the perplexity of a text."""
    turns = in_turns(
        {
            "distil": lambda: _speed(path, BATCH_TOKENS, SEQUENCES),
            "llama-batched-bench": lambda: _batched_bench(path),
        },
        TURNS,
    )
    yield of_turns(
        14,
        f"tokens/s of {SEQUENCES} sequences by llama-batched-bench's",
        file,
        turns,
        lambda turn: turn["distil"] / turn["llama-batched-bench"],
        0.97,
    )
    turns = in_turns(
        {
            "distil": lambda: _speed(path, TOKENS, 1),
            "llama-bench -fa off": lambda: _bench(path, flash_attention=False),
            "llama-bench": lambda: _bench(path, flash_attention=True),
        },
        TURNS,
    )
    yield of_turns(
        14,
        "tokens/s of one sequence by those of llama-bench -fa off",
        file,
        turns,
        lambda turn: turn["distil"] / turn["llama-bench -fa off"],
        0.97,
    )
    yield of_turns(
        14,
        "the same by those of llama-bench",
        file,
        turns,
        lambda turn: turn["distil"] / turn["llama-bench"],
    )
    turns = in_turns(
        {
            "distil": lambda: _seconds(_perplexity(path)),
            "llama-perplexity": lambda: _seconds(_llama_perplexity(path)),
        },
        TEXT_TURNS,
    )
    yield of_turns(
        14,
        "speed of perplexity, windows of 512, by llama-perplexity's (medians in s)",
        file,
        turns,
        lambda turn: turn["llama-perplexity"] / turn["distil"],
        1.0,
    )


def _speed(path: Path, tokens: int, sequences: int) -> float:
    ((speeds,), _) = measure_speeds(
        path, tokens=tokens, threads=usable_cores(), parallel=sequences, repetitions=1
    )
    return speeds.generation


def _batched_bench(path: Path) -> float:
    size = SEQUENCES * (PROMPT_TOKENS + BATCH_TOKENS)
    arguments = ["-c", size, "-npp", PROMPT_TOKENS, "-ntg", BATCH_TOKENS, "-npl", SEQUENCES]
    lines = _output("llama-batched-bench", path, *arguments, "--output-format", "jsonl")
    (found,) = (json.loads(line) for line in lines.splitlines() if line.startswith("{"))
    return float(found["speed_tg"])


def _bench(path: Path, *, flash_attention: bool) -> float:
    arguments = ["-p", 0, "-n", TOKENS, "-d", PROMPT_TOKENS, "-r", 1, "-fa", int(flash_attention)]
    (found,) = json.loads(_output("llama-bench", path, *arguments, "-o", "json"))
    return float(found["avg_ts"])


def _output(name: str, path: Path, *arguments: Any) -> str:
    command = [program(name), "-m", path, "-t", usable_cores(), *arguments]
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout


def _perplexity(path: Path) -> list[str]:
    arguments = ["--method", "llama.cpp", "--window", "512", "--quiet"]
    return [DISTIL[0], "perplexity", "--model", str(path), *arguments, str(TEXT)]


def _llama_perplexity(path: Path) -> list[str]:
    arguments = ["-c", "512", "-t", str(usable_cores()), "--no-escape"]
    return [program("llama-perplexity"), "-m", str(path), "-f", str(TEXT), *arguments]


def _seconds(command: list[str]) -> float:
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=output, stderr=output)
        return time.perf_counter() - start
