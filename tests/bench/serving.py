"""Clients of ``distil serve`` beside ``--parallel``, and how long a first token takes."""

import http.client
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

from tests.bench.finding import Finding, Turn, in_turns, of_turns
from tests.bench.processes import DISTIL
from tests.support.run import environment
from tests.support.server import JSON, Server, serving

CLIENTS, TOKENS, TURNS, FIRST_TOKENS = 16, 100, 5, 15
PROMPT = "Once upon a time"
LONG_PROMPT = " It was a dark and stormy night, and the rain fell in torrents." * 8


def clients(path: Path, file: str) -> Iterator[Finding]:
    """Group 9: 16 clients by ``--parallel 16``, and the first token of one beside 15 others."""
    with tempfile.TemporaryDirectory() as home:
        env = environment(Path(home))
        del env["OMP_WAIT_POLICY"]  # threads spin, as they do for users
        with serving("--model", str(path), "--parallel", str(CLIENTS), env=env) as server:
            turns = in_turns(
                {
                    "--parallel 16": lambda: _parallel(path),
                    "16 clients": lambda: _clients(server, stream=False),
                    "16 that stream": lambda: _clients(server, stream=True),
                },
                TURNS,
            )
            yield of_turns(
                9,
                "tokens/s of 16 clients by those of `--parallel 16`",
                file,
                turns,
                lambda turn: turn["16 clients"] / turn["--parallel 16"],
                0.85,
            )
            yield of_turns(
                9,
                "the same of clients that stream",
                file,
                turns,
                lambda turn: turn["16 that stream"] / turn["--parallel 16"],
                0.85,
            )
            yield of_turns(
                9,
                "seconds to a first token beside 15 streams, by two steps and its prompt",
                file,
                _first_tokens(server),
                lambda turn: turn["first token"] / (2 * turn["step"] + turn["prompt"]),
                1.0,
                at_least=False,
            )


def _parallel(path: Path) -> float:
    """Return the tokens/s that ``--stats`` says of all completions together."""
    arguments = ["--model", str(path), "--ignore-eos", "--max-tokens", str(TOKENS), "--top-k", "0"]
    arguments += ["--num-sequences", str(CLIENTS), "--parallel", str(CLIENTS), "--stats", PROMPT]
    result = subprocess.run(
        [*DISTIL, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    (speed,) = re.findall(rb"tokens in [\d.]+ s, (\d+) tokens/s", result.stderr)
    return float(speed)


def _clients(server: Server, *, stream: bool) -> float:
    """Return the tokens/s of all clients together, from the first request to the last answer."""

    def ask(_number: int) -> None:
        with closing(server.connect()) as connection:
            _ask(connection, TOKENS, stream=stream)
            assert connection.getresponse().read().count(b'"text"') >= 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        start = time.perf_counter()
        list(pool.map(ask, range(CLIENTS)))
        return CLIENTS * TOKENS / (time.perf_counter() - start)


def _ask(
    connection: http.client.HTTPConnection, tokens: int, *, stream: bool, prompt: str = PROMPT
) -> None:
    fields = {"prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "stream": stream}
    connection.request("POST", "/v1/completions", json.dumps(fields), JSON)


def _first_tokens(server: Server) -> list[Turn]:
    """Ask again and again for a first token, while 15 others stream."""
    enough = Event()

    def stream() -> None:
        while not enough.is_set():
            with closing(server.connect()) as connection:
                _ask(connection, 1000, stream=True)
                response = connection.getresponse()
                while not enough.is_set() and response.read1(65536):
                    pass

    with ThreadPoolExecutor(CLIENTS) as pool:
        others = [pool.submit(stream) for _ in range(CLIENTS - 1)]
        while server.metric("distil_running") < CLIENTS - 1:
            time.sleep(0.05)
        # A prompt that is the same as the one before would not be evaluated again.
        turns = [_first_token(server, f"{n}.{LONG_PROMPT}") for n in range(FIRST_TOKENS)]
        enough.set()
        for other in others:
            other.result()
    return turns


def _first_token(server: Server, prompt: str) -> Turn:
    before = _steps(server)
    prompts = server.metric("distil_prompt_seconds_total")
    start = time.perf_counter()
    with closing(server.connect()) as connection:
        _ask(connection, 2, stream=True, prompt=prompt)
        connection.getresponse().read1(1)
        elapsed = time.perf_counter() - start
    time.sleep(0.2)  # for the mean of some steps
    steps, seconds = (after - old for after, old in zip(_steps(server), before, strict=True))
    prompt_seconds = server.metric("distil_prompt_seconds_total") - prompts
    return {"first token": elapsed, "step": seconds / steps, "prompt": prompt_seconds}


def _steps(server: Server) -> tuple[float, float]:
    return (
        server.metric("distil_batch_steps_total"),
        server.metric("distil_batch_seconds_total"),
    )
