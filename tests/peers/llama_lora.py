"""``distil serve --lora`` beside ``llama-server --lora``: texts and JSON for the same requests.

    python -m tests.peers.llama_lora

The demo model has two adapters with random weights, so small that it still writes words.
"""

import http.client
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from distilgpt2_cli.engine.llama import inspection
from distilgpt2_cli.models import demo
from tests.bench.servers import llama_server
from tests.support import adapters, gguf
from tests.support.run import environment
from tests.support.server import JSON, serving

PROMPTS = ("Once upon a time", "The little dog", "One day", "Lily and Tom", "It was")
SCALES: tuple[list[dict[str, float]] | None, ...] = (
    None,
    [],
    [{"id": 0, "scale": 1.0}],
    [{"id": 1, "scale": 1.5}],
    [{"id": 1, "scale": 0.5}, {"id": 0, "scale": 0.25}],
    [{"id": 0, "scale": 0}],
)
TOKENS = 60
DEFAULTS = (0.5, -0.75)


def files(folder: Path) -> list[Path]:
    """Write two adapters for the demo model."""
    found = inspection.inspect(demo().path)
    shape = gguf.Shape(found.layers, found.width, found.heads, tokens=found.vocabulary_size)
    return [
        adapters.write(
            folder / f"{seed}.gguf", adapters.random_pairs(shape, seed, 8, size=0.3), alpha=16.0
        )
        for seed in (1, 2)
    ]


def ask(port: int, method: str, path: str, body: object = None) -> Any:
    """Return the JSON of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as connection:
        connection.request(method, path, json.dumps(body), JSON)
        response = connection.getresponse()
        answer = json.loads(response.read())
    assert response.status == 200, answer
    return answer


def lines(ports: dict[str, int]) -> Iterator[str]:
    """Yield how far both servers agree."""
    for change in (None, [{"id": 1, "scale": 0.25}]):
        if change:
            made = {
                json.dumps(ask(port, "POST", "/lora-adapters", change)) for port in ports.values()
            }
            yield f"POST /lora-adapters: {'the same' if len(made) == 1 else made}"
        listed = {json.dumps(ask(port, "GET", "/lora-adapters")) for port in ports.values()}
        yield f"GET /lora-adapters: {'the same' if len(listed) == 1 else listed}"
        same, texts = 0, set()
        for prompt in PROMPTS:
            for scales in SCALES:
                body: dict[str, Any] = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0}
                if scales is not None:
                    body["lora"] = scales
                own = ask(
                    ports["distil"], "POST", "/v1/completions", body | {"deterministic": True}
                )
                peer = ask(ports["llama-server"], "POST", "/v1/completions", body)
                text = own["choices"][0]["text"]
                texts.add(text)
                same += text == peer["choices"][0]["text"]
        count = len(PROMPTS) * len(SCALES)
        yield f"the same greedy text for {same} of {count} requests ({len(texts)} different texts)"


def main() -> None:
    """Print how far both servers agree."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        first, second = files(folder)
        options = ["--lora", f"{first}:{DEFAULTS[0]}", "--lora", f"{second}:{DEFAULTS[1]}"]
        server = stack.enter_context(
            serving("--model", "demo", *options, env=environment(folder / "home"))
        )
        scaled = f"{first}:{DEFAULTS[0]},{second}:{DEFAULTS[1]}"
        port = stack.enter_context(
            llama_server(
                demo().path, "--lora-scaled", scaled, "-fa", "off", "--cache-ram", "0", sequences=1
            )
        )
        for line in lines({"distil": server.port, "llama-server": port}):
            print(line, flush=True)


if __name__ == "__main__":
    main()
