"""Whole processes: generation speed, cold start and memory, beside plain ways to do the same."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from distilgpt2_cli.children.process_cost import run_process
from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.finding import Finding, Turn, in_turns, of_turns
from tests.bench.plain_script import END_OF_TEXT, PROMPT, SEED, TOP_K

DISTIL = [str(Path(sys.executable).with_name("distil")), "generate"]
PLAIN = [sys.executable, str(Path(__file__).with_name("plain_script.py"))]
TURNS = {200: 15, 500: 9}  # by the number of tokens
SLOW_TURNS = 3  # of the Python class, which takes most of the time and is far off any bar
STARTS = 15


def generation(path: Path, file: str) -> Iterator[Finding]:
    """Group 1: ``distil generate`` by its own timings, a bare loop, and the Python class."""
    threads = usable_cores()
    high_level = _high_level_class(path, threads)
    for tokens, count in TURNS.items():
        speed = partial(distil_speed, path, tokens, str(threads))
        ways: dict[str, Callable[[], float]] = {
            "distil": speed,
            "bare loop": partial(_plain_speed, path, tokens, threads),
            "distil in a pipe": partial(speed, piped=True),
        }
        turns = in_turns(ways, count)
        slow_ways: dict[str, Callable[[], float]] = {
            "distil": ways["distil"],
            "Llama class": partial(high_level, tokens),
        }
        yield of_turns(
            1,
            f"tokens/s by the bare loop's, {tokens} tokens",
            file,
            turns,
            lambda turn: turn["distil"] / turn["bare loop"],
            0.97,
        )
        yield of_turns(
            1,
            f"the same with a reader at a pipe, {tokens} tokens",
            file,
            turns,
            lambda turn: turn["distil in a pipe"] / turn["bare loop"],
        )
        yield of_turns(
            1,
            f"tokens/s by those of `Llama.create_completion(stream=True)`, {tokens} tokens",
            file,
            in_turns(slow_ways, SLOW_TURNS),
            lambda turn: turn["distil"] / turn["Llama class"],
        )


def cold_start(path: Path, file: str) -> Iterator[Finding]:
    """Groups 2 and 3: from exec to the first byte, and the peak memory, of one token."""
    ours = [*DISTIL, "--model", str(path), "--seed", str(SEED), PROMPT.decode()]
    plain = [*PLAIN, str(path), str(usable_cores()), "1"]
    starts: list[Turn] = []
    memory: list[Turn] = []
    for _ in range(STARTS):
        ours_cost, plain_cost = run_process([*ours, "--max-tokens", "1"]), run_process(plain)
        starts.append(
            {"distil": ours_cost.first_byte_seconds, "script": plain_cost.first_byte_seconds}
        )
        memory.append({"distil": ours_cost.peak_bytes / 1e6, "script": plain_cost.peak_bytes / 1e6})

    def ratio(turn: Turn) -> float:
        return turn["distil"] / turn["script"]

    yield of_turns(
        2, "seconds to the first byte by a plain script's", file, starts, ratio, 0.95,
        at_least=False,
    )  # fmt: skip
    yield of_turns(
        3, "peak memory by a plain script's (medians in MB)", file, memory, ratio, 1.0,
        at_least=False,
    )  # fmt: skip


def distil_speed(
    path: Path, tokens: int, threads: str, cores: set[int] | None = None, piped: bool = False
) -> float:
    """Return the tokens/s that a run of ``distil generate --stats`` says it had.

    The text goes to the null device, or through a pipe to this process, which then wakes up for
    every token and takes a core from it for a moment.
    """
    arguments = ["--model", str(path), "--threads", threads, "--seed", str(SEED), "--stats"]
    arguments += ["--ignore-eos", "--max-tokens", str(tokens), PROMPT.decode()]
    pinned = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    result = subprocess.run(
        [*pinned, *DISTIL, *arguments],
        check=True,
        stdout=subprocess.PIPE if piped else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    match = re.search(rb"completion \d+ tokens, ([\d.]+) tokens/s", result.stderr)
    assert match, result.stderr
    return float(match[1])


def _plain_speed(path: Path, tokens: int, threads: int) -> float:
    command = [*PLAIN, str(path), str(threads), str(tokens)]
    return float(subprocess.run(command, check=True, capture_output=True).stderr)


def _high_level_class(path: Path, threads: int) -> Any:
    """Return a run of the class for a number of tokens, in this process."""
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=1024, n_threads=threads, seed=SEED, verbose=False)

    def run(tokens: int) -> float:
        start = time.perf_counter()
        chunks: Any = model.create_completion(
            PROMPT.decode(),
            max_tokens=tokens,
            temperature=1.0,
            top_k=TOP_K,
            top_p=1.0,
            min_p=0.0,
            repeat_penalty=1.0,
            logit_bias={END_OF_TEXT: -100.0},
            stream=True,
        )
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
        assert reasons[-1] == "length"
        return tokens / (time.perf_counter() - start)

    return run
