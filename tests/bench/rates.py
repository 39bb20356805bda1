"""How many tokens a core computes in a second: what docs/scale.md plans with."""

import random
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from tests.bench.finding import Finding, in_turns, of_turns
from tests.bench.mapping import FILE, map_seconds
from tests.support import gguf

TURNS = 3
ROW_TOKENS, PARALLEL, PROMPT_TOKENS = (20, 200), (1, 16), 8
_LEAST_ROWS = 16
# Tokens that the larger of two runs has more; some seconds.
_TOKENS: Mapping[tuple[str, int], int] = {
    ("score", 1): 6_400,
    ("score", 16): 12_800,
    ("generate", 1): 1_600,
    ("generate", 16): 6_400,
}


def rates(path: Path, file: str) -> Iterator[Finding]:
    """Group 19: tokens/s of `distil map` in one process on one core, without its start."""
    if file != FILE:
        return
    with tempfile.TemporaryDirectory() as name:
        for command, parallel in _TOKENS:
            ways = {
                f"rows of {tokens} tokens": partial(
                    _rate, path, Path(name), command, parallel, tokens
                )
                for tokens in ROW_TOKENS
            }
            turns = in_turns(ways, TURNS)
            for way in ways:
                yield of_turns(
                    19,
                    f"tokens/s of a core, `map {command} --parallel {parallel}`, {way}",
                    file,
                    [{way: turn[way]} for turn in turns],
                    lambda turn, way=way: turn[way],  # type: ignore[misc]
                )


def _rate(path: Path, folder: Path, command: str, parallel: int, tokens: int) -> float:
    """Return the tokens/s: those of the texts that are scored, or those that are drawn."""
    more = -(-_TOKENS[command, parallel] // (tokens * _LEAST_ROWS)) * _LEAST_ROWS
    given = [command, "--model", str(path), "--parallel", str(parallel)]
    if command == "generate":
        given += ["--max-tokens", str(tokens), "--ignore-eos", "--seed", "1"]
    length = tokens if command == "score" else PROMPT_TOKENS
    small, large = (
        map_seconds(given, ("--workers", "1"), _source(folder, rows, length))
        for rows in (_LEAST_ROWS, _LEAST_ROWS + more)
    )
    return more * tokens / (large - small)


def _source(folder: Path, rows: int, tokens: int) -> Path:
    """Return a file of lines of so many tokens: words that are one each, drawn from a seed."""
    draw = random.Random(1)
    words = [
        token[1:] for token in gguf.vocabulary()[0] if token[:1] == "Ġ" and token[1:].isalpha()
    ]
    lines = (" ".join(["The", *draw.choices(words, k=tokens - 1)]) for _ in range(rows))
    path = folder / f"{rows}-{tokens}.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
