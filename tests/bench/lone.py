"""A token of one sequence: with flash attention, without, and beside a token of another one."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from distilgpt2_cli.engine import Context, Model
from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.finding import Finding, in_turns, of_turns

POSITIONS = (100, 300, 600, 900)
STEPS, TURNS = 20, 9


def lone_tokens(path: Path, file: str) -> Iterator[Finding]:
    """Group 16: seconds of a token at several positions, by those without flash attention."""
    with ExitStack() as stack:
        model = stack.enter_context(Model(path))
        contexts = {
            "without": stack.enter_context(Context(model, None, usable_cores())),
            "flash attention": stack.enter_context(
                Context(model, None, usable_cores(), flash_attention=True)
            ),
            "in a batch": stack.enter_context(Context(model, None, usable_cores(), 2)),
        }
        for position in POSITIONS:
            for context in contexts.values():
                context.rewind(0)
                context.evaluate(range(100, 100 + position))
            ways = {
                name: partial(_milliseconds, context, position)
                for name, context in contexts.items()
            }
            turns = in_turns(ways, TURNS)
            for name in ("flash attention", "in a batch"):
                yield of_turns(
                    16,
                    f"ms of a token at position {position}, {name}, by without flash attention",
                    file,
                    turns,
                    lambda turn, name=name: turn[name] / turn["without"],  # type: ignore[misc]
                    at_least=False,
                )


def _milliseconds(context: Context, position: int) -> float:
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        context.step([5])
        times.append(time.perf_counter() - start)
        context.rewind(position)
    return 1000 * sorted(times)[STEPS // 2]
