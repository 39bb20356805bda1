"""Short prompts evaluated together, beside the same ones evaluated one by one."""

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from distilgpt2_cli.engine import Context, GenerationOptions, Generator, Model, Request
from distilgpt2_cli.engine import prompts as rule
from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.finding import Finding, in_turns, of_turns

SEQUENCES, TURNS = 16, 5
LENGTHS = (8, 16, 34)
LINES = {"3 to 16": (3, 16), "8 to 60": (8, 60)}
LINE_COUNT, LINE_TOKENS, LINE_TURNS = 200, 20, 3


def together(path: Path, file: str) -> Iterator[Finding]:
    """Group 15: prompts alone, and lines of prompts that are completed."""
    with Model(path) as model, Context(model, None, usable_cores(), SEQUENCES) as context:
        for length in LENGTHS:
            prompts = [range(100 * i, 100 * i + length) for i in range(SEQUENCES)]
            yield _finding(
                f"prompts/s of {SEQUENCES} prompts of {length} tokens together, by one by one",
                file,
                context,
                [Request(tuple(prompt), 1) for prompt in prompts],
                GenerationOptions(max_tokens=1),
                TURNS,
            )
        for name, lengths in LINES.items():
            draw = random.Random(1)
            prompts = [
                range(start := draw.randrange(50_000), start + draw.randint(*lengths))
                for _ in range(LINE_COUNT)
            ]
            yield _finding(
                f"lines/s of prompts of {name} tokens with the rule, by without",
                file,
                context,
                [Request(tuple(prompt), 1) for prompt in prompts],
                GenerationOptions(max_tokens=LINE_TOKENS, ignore_eos=True),
                LINE_TURNS,
            )


def _finding(
    what: str,
    file: str,
    context: Context,
    requests: Sequence[Request],
    options: GenerationOptions,
    turns: int,
) -> Finding:
    def speed(fewest: int) -> float:
        usual, rule._FEWEST_TOGETHER = rule._FEWEST_TOGETHER, fewest
        start = time.perf_counter()
        for completion in Generator(context, options).complete_all(requests):
            for _ in completion:
                pass
        rule._FEWEST_TOGETHER = usual
        return len(requests) / (time.perf_counter() - start)

    ways = {
        "together": lambda: speed(rule._FEWEST_TOGETHER),
        "one by one": lambda: speed(SEQUENCES + 1),
    }
    found = in_turns(ways, turns + 1)[1:]
    return of_turns(15, what, file, found, lambda turn: turn["together"] / turn["one by one"])
