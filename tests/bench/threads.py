"""``--threads auto`` on an idle machine, on a busy one and on one core; and long runs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

from distilgpt2_cli.engine import Context, GenerationOptions, Generator, Model
from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.finding import Finding, Turn, in_turns, of_turns
from tests.bench.plain_script import PROMPT
from tests.bench.processes import distil_speed

TOKENS, TURNS = 192, 11
FIRST = 32  # tokens in which the choice of threads must have been made
OPTIONS = GenerationOptions(max_tokens=-1, ignore_eos=True)


def choice_of_threads(path: Path, file: str) -> Iterator[Finding]:
    """Group 5: each way takes its turn, idle and with one core kept busy by another process."""
    cores = usable_cores()
    numbers = ("auto", *sorted({"1", str(cores)}))
    ways = {f"threads {each}": partial(distil_speed, path, TOKENS, each) for each in numbers}
    idle = in_turns(ways, TURNS)
    yield of_turns(
        5,
        "idle: tokens/s with `auto` by the best fixed number's",
        file,
        idle,
        lambda turn: turn["threads auto"] / max(turn["threads 1"], turn[f"threads {cores}"]),
        0.97,
    )
    with _one_busy_core():
        busy = [_busy_turn(path, cores) for _ in range(TURNS)]
    yield of_turns(
        5,
        f"one core busy: tokens/s with `auto` by one thread's, after {FIRST} tokens",
        file,
        busy,
        lambda turn: turn["auto"] / turn["1 thread"],
        0.85,
    )
    yield of_turns(
        5,
        f"the same of the first {FIRST} tokens",
        file,
        busy,
        lambda turn: turn["auto, first"] / turn["1 thread, first"],
    )
    yield of_turns(
        5,
        f"one core busy: tokens/s with {cores} threads by one thread's",
        file,
        busy,
        lambda turn: turn["all cores"] / turn["1 thread"],
    )
    on_one_core = {
        "auto": partial(distil_speed, path, TOKENS, "auto", cores={0}),
        "1 thread": partial(distil_speed, path, TOKENS, "1", cores={0}),
    }
    one_core = in_turns(on_one_core, TURNS)
    yield of_turns(
        5,
        "affinity of one core: tokens/s with `auto` by one thread's",
        file,
        one_core,
        lambda turn: turn["auto"] / turn["1 thread"],
        0.95,
    )


def long_run(path: Path, file: str) -> Iterator[Finding]:
    """Group 6: speed along the context window, and what going past it costs."""
    turns = [_long_turn(path) for _ in range(3)]
    yield of_turns(
        6,
        "seconds of going past the window by those of one evaluation of half a window",
        file,
        turns,
        lambda turn: turn["s past the window"] / turn["s half a window"],
        1.1,
        at_least=False,
    )
    yield of_turns(
        6,
        "tokens/s at position 1,000 by those at position 20",
        file,
        turns,
        lambda turn: turn["at 1,000"] / turn["at 20"],
    )
    yield of_turns(
        6,
        "tokens/s of two windows and more, all included, by those at position 1,000",
        file,
        turns,
        lambda turn: turn["whole run"] / turn["at 1,000"],
    )


def _long_turn(path: Path) -> Turn:
    with Model(path) as model, Context(model, threads=usable_cores()) as context:
        prompt = model.tokenize(PROMPT.decode())
        half = context.size // 2
        stamps = _stamps(Generator(context, OPTIONS), prompt, 2 * context.size + 200)
        steps = [later - earlier for earlier, later in pairwise(stamps)]
        # The step in which the window is full: token i is drawn at position len(prompt) + i.
        turn = steps[context.size - len(prompt)]
        context.rewind(0)
        start = time.perf_counter()
        context.evaluate([prompt[0]] * half)
        evaluation = time.perf_counter() - start

    def speed(position: int) -> float:
        first = position - len(prompt)
        around = steps[first - 8 : first + 8]
        return len(around) / sum(around)

    return {
        "at 20": speed(20),
        "at 1,000": speed(min(1000, context.size - 9)),
        "whole run": len(steps) / sum(steps),
        "s past the window": turn,
        "s half a window": evaluation,
    }


def _busy_turn(path: Path, cores: int) -> Turn:
    result: dict[str, float] = {}
    for name, threads in (("auto", None), ("1 thread", 1), ("all cores", cores)):
        with Model(path) as model, Context(model, threads=threads) as context:
            prompt = model.tokenize(PROMPT.decode())
            stamps = _stamps(Generator(context, OPTIONS), prompt, TOKENS)
        result[f"{name}, first"] = (FIRST - 1) / (stamps[FIRST - 1] - stamps[0])
        result[name] = (TOKENS - FIRST) / (stamps[-1] - stamps[FIRST - 1])
    return result


def _stamps(generator: Generator, prompt: list[int], count: int) -> list[float]:
    """Return when each token came."""
    completion = generator.complete(prompt, 1)
    return [time.perf_counter() for _ in islice(completion, count)]


@contextmanager
def _one_busy_core() -> Iterator[None]:
    """Keep a process at work that never waits."""
    script = "import sys; print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
            yield
        finally:
            process.kill()
