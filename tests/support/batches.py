"""Requests in OpenAI's batch format."""

import json
from pathlib import Path
from typing import Any

COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"


def request(custom_id: str, url: str = COMPLETIONS, **body: Any) -> dict[str, Any]:
    """Return a request."""
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def as_lines(requests: list[Any]) -> bytes:
    """Return a file of requests."""
    return "".join(json.dumps(each) + "\n" for each in requests).encode()


def many(count: int) -> list[dict[str, Any]]:
    """Return requests of all kinds, each with options of its own, and line ends in their texts."""
    return [_numbered(i) for i in range(count)]


def _numbered(i: int) -> dict[str, Any]:
    if i % 5 == 3:
        inputs = [f"It is\n{i}", "Hi"]
        return request(f"embed {i}", EMBEDDINGS, input=inputs, encoding_format="base64")
    if i % 11 == 7:
        return request(f"refused {i}", prompt="Hi", temprature=1)
    body: dict[str, Any] = {"prompt": f"Day {i}\nIt was", "n": 1 + (i % 7 == 1)}
    body |= {"max_tokens": 4 + i % 9, "temperature": (i % 4) / 2}
    if i % 3 == 0:
        body["seed"] = i
    if i % 6 == 2:
        body |= {"logprobs": 2, "echo": True}
    return request(f"complete {i}", **body)


def command(model: Path | str, *options: str, threads: int = 1) -> tuple[str, ...]:
    """Return the arguments of a run without those for its input and output."""
    return ("batch", "-m", str(model), "--threads", str(threads), *options)


def results(output: bytes) -> list[dict[str, Any]]:
    """Return what a run has written, each line a result."""
    found = [json.loads(line) for line in output.splitlines()]
    assert all(each.keys() == {"id", "custom_id", "response", "error"} for each in found)
    return found
