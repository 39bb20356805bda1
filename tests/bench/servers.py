"""``distil serve`` beside llama.cpp's own ``llama-server``, which clients ask for the same."""

import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.finding import Finding, Turn, of_turns
from tests.bench.programs import program
from tests.support.run import environment
from tests.support.server import JSON, serving

SEQUENCES, WINDOW = 16, 1024
CLIENTS = (1, 4, 16)
PROMPT_TOKENS = (16, 500)
TOKENS, TURNS = 100, 4
MANY_CLIENTS = 64
SAMPLING = {"temperature": 1, "top_k": 40, "top_p": 1, "min_p": 0, "ignore_eos": True}


@dataclass(frozen=True)
class Load:
    """What clients ask for, all at once."""

    clients: int
    prompt_tokens: int
    stream: bool

    def __str__(self) -> str:
        how = "that stream" if self.stream else "that wait"
        some = "1 client" if self.clients == 1 else f"{self.clients} clients"
        return f"{some} {how}, prompts of {self.prompt_tokens} tokens"


def beside_llama_server(path: Path, file: str) -> Iterator[Finding]:
    """Group 13: tokens per second and the time of the first token, in the same turns."""
    with ExitStack() as stack:
        ports = {
            "distil": stack.enter_context(_distil(path)),
            "llama-server": stack.enter_context(llama_server(path)),
        }
        number = 0
        for clients in CLIENTS:
            for prompt_tokens in PROMPT_TOKENS:
                for stream in (False, True):
                    load = Load(clients, prompt_tokens, stream)
                    turns: list[Turn] = []
                    for turn in range(TURNS + 1):
                        found: dict[str, float] = {}
                        for name in sorted(ports, reverse=turn % 2 == 1):
                            number += 1
                            found |= {
                                f"{name}{figure}": value
                                for figure, value in _run(ports[name], load, number).items()
                            }
                        turns.append(found)
                    yield from _findings(file, load, turns[1:])
        yield _nothing_is_lost(file, ports["distil"])


def _findings(file: str, load: Load, turns: list[Turn]) -> Iterator[Finding]:
    yield of_turns(
        13,
        f"tokens/s of {load}, by llama-server's",
        file,
        turns,
        lambda turn: turn["distil"] / turn["llama-server"],
        1.0,
    )
    if load.stream:
        first = " first token"
        yield of_turns(
            13,
            f"seconds to the first token of {load}, by llama-server's",
            file,
            turns,
            lambda turn: turn[f"distil{first}"] / turn[f"llama-server{first}"],
            1.0,
            at_least=False,
        )


def _run(port: int, load: Load, number: int) -> dict[str, float]:
    """Return the tokens/s of all clients, and their mean time to the first token in a stream."""

    def ask(client: int) -> float:
        # Prompts that nobody has asked for before: neither server has anything of them.
        prompt = f"{number * 100 + client}{' the rain' * WINDOW}"
        return _ask(port, prompt[: _characters(load.prompt_tokens)], stream=load.stream)

    with ThreadPoolExecutor(load.clients) as pool:
        start = time.perf_counter()
        firsts = list(pool.map(ask, range(load.clients)))
        seconds = time.perf_counter() - start
    speed = load.clients * TOKENS / seconds
    return {"": speed} | ({" first token": statistics.mean(firsts)} if load.stream else {})


def _characters(tokens: int) -> int:
    """Return about how long a prompt of so many tokens is: " the" and " rain" are one each."""
    return int(tokens * 4.5)


def _ask(port: int, prompt: str, *, stream: bool) -> float:
    """Ask for a completion, read it to its end, and return the seconds to its first token."""
    fields = SAMPLING | {"prompt": prompt, "max_tokens": TOKENS, "stream": stream}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as connection:
        start = time.perf_counter()
        connection.request("POST", "/v1/completions", json.dumps(fields), JSON)
        response = connection.getresponse()
        response.read1(1)
        first = time.perf_counter() - start
        rest = response.read()
    assert response.status == 200, rest
    assert not stream or rest.endswith(b"data: [DONE]\n\n"), rest[-200:]
    return first


def _nothing_is_lost(file: str, port: int) -> Finding:
    """Ask for a whole answer and a stream in turn, from more clients than there are sequences."""
    with ThreadPoolExecutor(MANY_CLIENTS) as pool:
        answers = pool.map(
            lambda client: _ask(port, f"{client}. It was", stream=client % 2 == 1),
            range(MANY_CLIENTS),
        )
        answered = sum(first > 0 for first in answers)
    return Finding(
        13, f"answers to {MANY_CLIENTS} clients at once", file, answered, float(MANY_CLIENTS)
    )


@contextmanager
def _distil(path: Path) -> Iterator[int]:
    with tempfile.TemporaryDirectory() as home:
        env = environment(Path(home))
        del env["OMP_WAIT_POLICY"]  # threads spin, as they do for users
        arguments = ("--model", str(path), "--parallel", str(SEQUENCES))
        with serving(*arguments, env=env) as server:
            yield server.port


@contextmanager
def llama_server(path: Path, *options: str, sequences: int = SEQUENCES) -> Iterator[int]:
    """Start llama-server with further options, and give its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
    command = [program("llama-server"), "-m", path, "-np", sequences, "-c", sequences * WINDOW]
    command += ["-t", usable_cores(), "--port", port, "--no-webui", *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*map(str, command)], **quiet) as process:  # type: ignore[call-overload]
        try:
            while not _is_ready(port):
                assert process.poll() is None, "llama-server has ended"
                time.sleep(0.1)
            yield port
        finally:
            process.kill()


def _is_ready(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
    except OSError:
        return False


if __name__ == "__main__":
    for finding in beside_llama_server(Path(sys.argv[1]), Path(sys.argv[1]).stem):
        print(finding.to_row(), flush=True)
