"""``/v1/completions`` and the other paths, by the real client and by plain requests."""

import base64
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai
import pytest

from distilgpt2_cli.engine import Evaluator, Model
from distilgpt2_cli.models import demo
from tests.support.run import run
from tests.support.server import Server

PROMPT = "Once upon a time"


@pytest.fixture
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def test_the_client_completes(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="demo", prompt=PROMPT)
    assert answer.object == "text_completion"
    assert answer.model == "demo"
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 16)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].text


def test_the_client_streams(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "demo",
        "prompt": [PROMPT, "The cat"],
        "n": 2,
        "seed": 5,
        "max_tokens": 20,
    }
    whole = client.completions.create(**asked, extra_body={"deterministic": True})
    stream = client.completions.create(
        **asked,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"deterministic": True},
    )
    texts, usage = [""] * 4, None
    reasons: list[str | None] = [None] * 4
    for event in stream:
        usage = event.usage or usage
        for choice in event.choices:
            texts[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason
    assert texts == [choice.text for choice in whole.choices]
    assert reasons == [choice.finish_reason for choice in whole.choices]
    assert usage == whole.usage


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"top_k": 50}, ("--top-k", "50")),
        ({}, ("--top-k", "0")),
        ({"temperature": 0}, ("--temperature", "0")),
        (
            {"top_p": 0.9, "frequency_penalty": 0.5, "presence_penalty": 0.2, "stop": [".", "and"]},
            (
                *("--top-k", "0", "--top-p", "0.9", "--frequency-penalty", "0.5"),
                *("--presence-penalty", "0.2", "--stop", ".", "--stop", "and"),
            ),
        ),
        # Past the context window, whose last half is then evaluated anew.
        ({"prompt": PROMPT * 124, "ignore_eos": True}, ("--top-k", "0", "--ignore-eos")),
    ],
)
def test_a_deterministic_completion_is_the_command_line_s(
    server: Server, env: dict[str, str], fields: dict[str, object], options: tuple[str, ...]
) -> None:
    """While others run in the batch."""
    asked: dict[str, Any] = {"prompt": PROMPT, "max_tokens": 24, "seed": 42, "n": 2}
    asked |= {"deterministic": True} | fields
    with ThreadPoolExecutor(3) as pool:
        others = [
            pool.submit(server.complete, prompt="A dog", max_tokens=50, ignore_eos=True)
            for _ in range(3)
        ]
        answer = server.complete(**asked).json
        assert all(other.result().status == 200 for other in others)
    for i, choice in enumerate(answer["choices"]):
        command = ("generate", "-m", "demo", "-s", str(42 + i), "--max-tokens", "24", *options)
        result = run(*command, asked["prompt"], env=env)
        assert result.stdout.decode() == choice["text"] + "\n"
        assert choice["seed"] == 42 + i


def test_prompts_as_text_and_as_tokens(server: Server) -> None:
    with Model(demo().path) as model:
        tokens = model.tokenize(PROMPT)
    same: dict[str, Any] = {"max_tokens": 10, "seed": 1, "deterministic": True}
    text = server.complete(prompt=PROMPT, **same).json["choices"][0]["text"]
    for prompt in ([PROMPT], tokens, [tokens]):
        (choice,) = server.complete(prompt=prompt, **same).json["choices"]
        assert choice["text"] == text
    same["temperature"] = 0
    text = server.complete(prompt=PROMPT, **same).json["choices"][0]["text"]
    choices = server.complete(prompt=[tokens, tokens], echo=True, **same).json["choices"]
    assert [choice["text"] for choice in choices] == [PROMPT + text] * 2
    empty = server.complete(prompt="", **same).json
    assert empty["choices"] == server.complete(**same).json["choices"]
    assert empty["usage"]["prompt_tokens"] == 1


def test_logprobs(server: Server) -> None:
    asked: dict[str, Any] = {
        "prompt": PROMPT,
        "logprobs": 3,
        "seed": 1,
        "stop": " the",
        "max_tokens": 40,
    }
    (choice,) = server.complete(**asked, deterministic=True).json["choices"]
    logprobs = choice["logprobs"]
    assert len(set(map(len, logprobs.values()))) == 1
    assert "".join(logprobs["tokens"]) == choice["text"]
    ends = [*logprobs["text_offset"][1:], len(choice["text"])]
    for token, start, end in zip(logprobs["tokens"], logprobs["text_offset"], ends, strict=True):
        assert choice["text"][start:end] == token
    for top in logprobs["top_logprobs"]:
        assert len(top) == 3
        assert 0 < sum(map(math.exp, top.values())) <= 1 + 1e-9
    events = server.complete(**asked, deterministic=True, stream=True).events
    parts = [each["logprobs"] for event in events for each in event["choices"]]
    for name in logprobs:
        assert [value for part in parts for value in part[name]] == logprobs[name]


def test_only_whole_characters_are_sent(server: Server) -> None:
    events = server.complete(
        prompt=[32485], max_tokens=150, temperature=2, stream=True, ignore_eos=True, seed=3
    ).events
    text = "".join(choice["text"] for event in events for choice in event["choices"])
    (whole,) = server.complete(
        prompt=[32485], max_tokens=150, temperature=2, ignore_eos=True, seed=3
    ).json["choices"]
    assert text == whole["text"]
    assert text


@pytest.mark.parametrize("stream", [False, True])
def test_numbers_and_fields_as_other_programs_send_them(server: Server, stream: bool) -> None:
    plain: dict[str, Any] = {"prompt": [7454, 2402], "max_tokens": 4, "seed": 5, "n": 2}
    same: dict[str, Any] = {
        "prompt": [7454.0, 2402.0],
        "max_tokens": 4.0,
        "seed": 5.0,
        "n": 2.0,
        "best_of": 2,
        "store": False,
        "metadata": {},
        "service_tier": "auto",
        "logit_bias": {},
        "suffix": "",
        "user": "me",
        "safety_identifier": "me",
        "prompt_cache_key": "key",
        "response_format": {"type": "text"},
        "tools": [],
        "tool_choice": "none",
        "parallel_tool_calls": True,
        "stop": None,
        "stream_options": {"include_usage": stream, "include_obfuscation": False},
        "stream": stream,
    }
    whole = server.complete(**plain, deterministic=True)
    answer = server.complete(**same, deterministic=True)
    assert answer.status == 200, answer.body
    texts = [""] * 2
    for event in answer.events if stream else [answer.json]:
        for choice in event["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == [choice["text"] for choice in whole.json["choices"]]


def test_a_seed_of_minus_one_is_drawn(server: Server) -> None:
    answers = [server.complete(seed=-1, max_tokens=8).json["choices"][0] for _ in range(2)]
    assert answers[0]["seed"] != answers[1]["seed"]
    seed = server.complete(seed=-1.0, max_tokens=8, deterministic=True).json["choices"][0]
    again = server.complete(seed=seed["seed"], max_tokens=8, deterministic=True)
    assert again.json["choices"][0]["text"] == seed["text"]


def test_many_at_once_each_with_its_own_options(server: Server) -> None:
    def ask(number: int) -> Any:
        answer = server.complete(
            prompt=f"Number {number}", max_tokens=1 + number, n=2, ignore_eos=True
        )
        assert answer.json["usage"]["completion_tokens"] == 2 * (1 + number)
        return [choice["finish_reason"] for choice in answer.json["choices"]]

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [["length"] * 2] * 20
    assert server.metric("distil_open") == 0


def test_embeddings(client: openai.OpenAI, server: Server) -> None:
    texts = ["The cat sat.", "Once upon a time", "é"]
    answer = client.embeddings.create(model="demo", input=texts)
    as_floats = client.embeddings.create(model="demo", input=texts, encoding_format="float")
    with Model(demo().path) as model, Evaluator(model, hidden_states=True) as evaluator:
        expected = [evaluator.hidden_states(model.tokenize(text)).mean(axis=0) for text in texts]
        counts = [len(model.tokenize(text)) for text in texts]
    for row, floats, states in zip(answer.data, as_floats.data, expected, strict=True):
        np.testing.assert_allclose(row.embedding, states, rtol=1e-5, atol=1e-6)
        assert row.embedding == floats.embedding
    assert answer.usage.prompt_tokens == sum(counts)
    raw = server.request(
        "POST", "/v1/embeddings", b'{"input": "The cat sat.", "encoding_format": "base64"}'
    ).json
    decoded = np.frombuffer(base64.b64decode(raw["data"][0]["embedding"]), "<f4")
    np.testing.assert_allclose(decoded, expected[0], rtol=1e-5, atol=1e-6)


def test_models_health_page_and_metrics(client: openai.OpenAI, server: Server) -> None:
    assert [model.id for model in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").owned_by == "distil"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")
    assert server.get("/health").json == {"status": "ok"}
    page = server.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    before = server.metric("distil_completion_tokens_total")
    server.complete(max_tokens=7, ignore_eos=True)
    assert server.metric("distil_completion_tokens_total") == before + 7
    assert "distil_first_token_seconds_bucket" in server.get("/metrics").body.decode()
