"""Scoring as lm-evaluation-harness asks for it: `distil serve` beside llama-cpp-python's server.

    python -m tests.peers.harness_speed [FILE] [ITEMS]

It needs ``llama-cpp-python[server]``, and sends the requests of the harness's ``local-completions``
one after another: both answer the same, and the time of each is what counts.
"""

import json
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distilgpt2_cli.engine import Model
from distilgpt2_cli.models import demo
from tests.clients.harness import CHOICES, SUBJECTS
from tests.support.run import environment
from tests.support.server import serving

ITEMS = 200


def prompts(model: Model, count: int) -> list[list[int]]:
    """Return the tokens of made-up items, a context and a continuation in each."""
    draw = random.Random(0)
    texts = (
        " ".join(f"{draw.choice(SUBJECTS)}{draw.choice(CHOICES)}." for _ in range(4))
        for _ in range(count)
    )
    return [model.tokenize(text) for text in texts]


@contextmanager
def llama_cpp_server(path: Path, window: int) -> Iterator[str]:
    """Run llama-cpp-python's own server, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(path), "--port", str(port)]
    command += ["--logits_all", "true", "--n_ctx", str(window), "--model_alias", "peer"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url)
            yield url
        finally:
            process.kill()
            process.wait()


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/v1/models").close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


def answer(url: str, prompt: Any, model: str) -> Any:
    """Return what a server answers to the harness's request for the scores of a prompt."""
    body = {"model": model, "prompt": prompt, "temperature": 0, "max_tokens": 1, "logprobs": 1}
    data = json.dumps({**body, "seed": 1234, "echo": True}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/completions", data, headers)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def seconds(url: str, asked: Sequence[Any], model: str) -> float:
    """Return how long a server takes for all of them, one after another."""
    start = time.perf_counter()
    for prompt in asked:
        answer(url, prompt, model)
    return time.perf_counter() - start


def main() -> None:
    """Print items per second of both."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else demo().path
    count = int(sys.argv[2]) if len(sys.argv) > 2 else ITEMS
    with Model(path) as model, tempfile.TemporaryDirectory() as home:
        asked = prompts(model, count)
        window = model.window
        texts = [b"".join(map(model.piece, tokens)).decode() for tokens in asked]
    with serving("--model", str(path), env=environment(Path(home))) as server:
        name = server.get("/v1/models").json["data"][0]["id"]
        ours = {
            "one by one": seconds(server.url, asked, name),
            "16 in a request": seconds(
                server.url, [asked[i : i + 16] for i in range(0, count, 16)], name
            ),
        }
    with serving("--model", str(path), "--score-together", env=environment(Path(home))) as server:
        ours["16 in a request, --score-together"] = seconds(
            server.url, [asked[i : i + 16] for i in range(0, count, 16)], name
        )
    with llama_cpp_server(path, window) as url:
        few = max(count // 10, 1)
        theirs = seconds(url, texts[:few], "peer") / few
    print(f"{path.name}, {count} items: llama-cpp-python's server {1 / theirs:.2f} items/s")
    for way, took in ours.items():
        print(f"distil, {way}: {count / took:.2f} items/s, {theirs * count / took:.1f} times")


if __name__ == "__main__":
    main()
