"""Adapters of a server, and their scales by request, as llama.cpp's server has them."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support import adapters, gguf
from tests.support.batches import EMBEDDINGS, as_lines, command, request, results
from tests.support.run import environment, run
from tests.support.server import Server, serving

SHAPE = gguf.Shape(tokens=5001)
SCALES = ((0.0, 0.0), (1.0, 0.0), (0.5, -0.5), (0.0, 2.0))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters for `tiny`."""
    folder = tmp_path_factory.mktemp("adapters")
    return [
        adapters.write(
            folder / f"{seed}.gguf",
            adapters.random_pairs(SHAPE, seed),
            add=lambda writer: writer.add_string("adapter.lora.task_name", "tests"),
        )
        for seed in (1, 2)
    ]


@pytest.fixture(scope="module")
def server(
    tiny: Path, files: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    env = environment(tmp_path_factory.mktemp("home"))
    options = ("--lora", f"{files[0]}:0.5", "--lora", str(files[1]), "--parallel", "4")
    with serving("-m", str(tiny), *options, "--strict", env=env) as server:
        yield server


def field(scales: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the field of a request for these scales; those of 0 are left out but for the first."""
    pairs = enumerate(scales)
    return [{"id": id_, "scale": scale} for id_, scale in pairs if scale or not id_]


def generated(
    tiny: Path, files: list[Path], scales: tuple[float, ...], seed: int, env: dict[str, str]
) -> str:
    """Return what the command line generates."""
    lora = [
        argument
        for path, scale in zip(files, scales, strict=True)
        for argument in ("--lora", f"{path}:{scale}")
    ]
    options = ("--seed", str(seed), "--max-tokens", "12", "--top-k", "0", "--json")
    result = run("generate", "-m", str(tiny), *lora, *options, "It was", env=env)
    text: str = json.loads(result.stdout)["text"]
    return text


def test_they_are_listed_and_their_scales_are_set(server: Server, files: list[Path]) -> None:
    listed = server.get("/lora-adapters").json
    assert [(each["id"], each["path"]) for each in listed] == list(enumerate(map(str, files)))
    assert [each["scale"] for each in listed] == [0.5, 1.0]
    assert listed[0]["task_name"] == "tests"
    assert any("Adapter 0: 1.gguf, scale 0.5." in line for line in server.lines)
    before = text_of(server)
    answer = server.request("POST", "/lora-adapters", b'[{"id": 1, "scale": -0.5}]')
    assert answer.json == {"success": True}
    assert [each["scale"] for each in server.get("/lora-adapters").json] == [0.0, -0.5]
    assert text_of(server) == text_of(server, lora=field((0.0, -0.5))) != before
    server.request("POST", "/lora-adapters", json.dumps(field((0.5, 1.0))).encode())
    assert text_of(server) == text_of(server, lora=[]) == before


def text_of(server: Server, **fields: Any) -> str:
    defaults = {"prompt": "It was", "max_tokens": 12, "seed": 3, "deterministic": True}
    answer = server.complete(**(defaults | fields))
    assert answer.status == 200, answer.body
    text: str = answer.json["choices"][0]["text"]
    return text


def test_each_text_is_what_it_is_alone(
    server: Server, tiny: Path, files: list[Path], env: dict[str, str]
) -> None:
    """Also where requests with other scales come at the same time; nothing cached is shared."""
    expected = {scales: generated(tiny, files, scales, 3, env) for scales in SCALES}
    assert len(set(expected.values())) == len(SCALES)
    wanted = list(SCALES) * 6
    random.Random(1).shuffle(wanted)

    def text(scales: tuple[float, ...]) -> str:
        text_of(server, lora=field(scales), deterministic=False)
        return text_of(server, lora=field(scales))

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(text, wanted)) == [expected[scales] for scales in wanted]


def test_nobody_waits_for_ever(server: Server) -> None:
    """Whoever has other scales than a stream of requests is answered while they go on."""
    ends = False

    def many() -> int:
        count = 0
        while not ends:
            text_of(server, lora=field((1.0, 0.0)), deterministic=False, max_tokens=40)
            count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        counts = [pool.submit(many) for _ in range(8)]
        for scales in SCALES[2:]:
            assert text_of(server, lora=field(scales), deterministic=False)
        ends = True
        assert all(count.result() for count in counts)


def test_scores_embeddings_and_beams(server: Server) -> None:
    def answers(scales: tuple[float, ...]) -> tuple[Any, ...]:
        lora = field(scales)
        scored = server.complete(
            prompt=["It was a"], max_tokens=0, echo=True, logprobs=1, lora=lora
        )
        beams = server.complete(prompt="It was", max_tokens=4, num_beams=3, lora=lora)
        body = json.dumps({"input": "It was", "lora": lora}).encode()
        embedding = server.request("POST", EMBEDDINGS, body)
        logprobs = scored.json["choices"][0]["logprobs"]["token_logprobs"]
        rows = embedding.json["data"][0]["embedding"]
        return tuple(logprobs), beams.json["choices"][0]["text"], tuple(rows)

    first = [answers(scales) for scales in SCALES]
    for part in range(3):
        assert len({each[part] for each in first}) == len(SCALES)
    assert [answers(scales) for scales in reversed(SCALES)] == first[::-1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "must be a list of objects"),
        ("x", "must be a list of objects"),
        ([1], "must be a list of objects"),
        ([{"id": 0}], "must have an id and a scale"),
        ([{"scale": 1}], "must have an id and a scale"),
        ([{"id": 2, "scale": 1}], "id must be a whole number from 0 to 1"),
        ([{"id": -1, "scale": 1}], "id must be a whole number from 0 to 1"),
        ([{"id": True, "scale": 1}], "id must be a whole number from 0 to 1"),
        ([{"id": 0, "scale": "1"}], "scale must be a number"),
        ([{"id": 0, "scale": 1e39}], "scale must be a number"),
        ([{"id": 0, "scale": 1, "x": 1}], "Unknown field: x"),
    ],
)
def test_what_is_refused(server: Server, value: Any, message: str) -> None:
    answers = [server.complete(prompt="Hi", lora=value)]
    if value != {}:
        answers.append(server.request("POST", "/lora-adapters", json.dumps(value).encode()))
    for answer in answers:
        assert answer.status == 400
        assert answer.json["error"]["param"] == "lora"
        assert message in answer.json["error"]["message"]
    assert [each["scale"] for each in server.get("/lora-adapters").json] == [0.5, 1.0]


def test_other_methods_and_bodies(server: Server) -> None:
    assert server.request("DELETE", "/lora-adapters").status == 405
    assert server.request("POST", "/lora-adapters", b"{").status == 400
    assert server.request("POST", "/lora-adapters", b"[]", {}).status == 415


@pytest.mark.parametrize("parallel", ["1", "4"])
def test_the_requests_of_a_batch_file(
    parallel: str, tiny: Path, files: list[Path], env: dict[str, str]
) -> None:
    """They may have other scales line by line; a result depends on neither workers nor others."""
    lines = []
    for number in range(24):
        lora = field(SCALES[number % 4]) if number % 5 else None
        lines.append(request(str(number), prompt="It was", max_tokens=6, seed=1, lora=lora))
        lines.append(request(f"{number}e", EMBEDDINGS, input="Hi", lora=lora))
    lines.append(request("bad", prompt="Hi", lora=[{"id": 7, "scale": 1}]))
    options = ("--lora", f"{files[0]}:0.5", "--lora", str(files[1]), "--parallel", parallel)
    outputs = set()
    for workers in ("1", "2"):
        base = command(tiny, *options, "--workers", workers)
        result = run(*base, "-", env=env, stdin=as_lines(lines))
        assert result.returncode == ExitStatus.FAILED
        outputs.add(result.stdout)
    (output,) = outputs
    found = results(output)
    assert [each["custom_id"] for each in found] == [each["custom_id"] for each in lines]
    assert found[-1]["response"]["status_code"] == 400
    bodies = {each["custom_id"]: each["response"]["body"] for each in found}
    for kind in ("", "e"):
        texts: dict[Any, set[str]] = {}
        for number in range(24):
            scales = SCALES[number % 4] if number % 5 else (0.5, 1.0)
            body = bodies[f"{number}{kind}"]
            shown = body["data"] if kind else body["choices"][0]["text"]
            texts.setdefault(scales, set()).add(json.dumps(shown))
        if parallel == "1" or kind:
            assert all(len(some) == 1 for some in texts.values())
        assert len({text for some in texts.values() for text in some}) >= 4  # two are both empty


def test_without_adapters(env: dict[str, str]) -> None:
    with serving("--model", "demo", env=env) as server:
        assert server.get("/lora-adapters").json == []
        assert server.complete(prompt="Hi", max_tokens=1, lora=[]).status == 200
        answer = server.complete(prompt="Hi", lora=[{"id": 0, "scale": 1}])
        assert "has no adapters" in answer.json["error"]["message"]
        assert server.request("POST", "/lora-adapters", b"[]").json == {"success": True}
