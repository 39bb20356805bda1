"""Log-probabilities of prompts, as lm-evaluation-harness's `local-completions` asks for them.

The requests and how their answers are read are those of its lm_eval/models/openai_completions.py.
"""

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any

import numpy as np
import openai
import pytest

from distilgpt2_cli.engine import Model
from distilgpt2_cli.models import demo
from tests.support.processes import wait_until
from tests.support.run import run
from tests.support.server import Server

CONTEXT, CONTINUATIONS = "Once upon a time, there was", (" a little girl", " a café 😀", " xyzzy")


@pytest.fixture(scope="module")
def model() -> Any:
    with Model(demo().path) as model:
        yield model


def harness_payload(prompts: Sequence[Any] | str, seed: int = 1234) -> dict[str, Any]:
    return {
        "model": "demo",
        "prompt": prompts,
        "temperature": 0,
        "max_tokens": 1,
        "logprobs": 1,
        "seed": seed,
        "echo": True,
    }


def as_the_harness_reads(answer: Any, context_lengths: Sequence[int]) -> list[tuple[float, bool]]:
    """Return the log-likelihood of each continuation, and whether it is the greedy one."""
    results = []
    for choice, start in zip(
        sorted(answer["choices"], key=itemgetter("index")), context_lengths, strict=True
    ):
        logprobs = choice["logprobs"]["token_logprobs"][start:-1]
        tops = choice["logprobs"]["top_logprobs"][start:-1]
        greedy = all(
            logprob == max(top.values()) for logprob, top in zip(logprobs, tops, strict=True)
        )
        results.append((sum(logprobs), greedy))
    return results


def score(env: dict[str, str], prefix: str, text: str) -> Any:
    result = run("score", "-m", "demo", "--json", "--prefix", prefix, text, env=env)
    return json.loads(result.stdout)


@pytest.mark.parametrize("as_tokens", [True, False])
def test_the_harness_gets_what_score_prints(
    server: Server, env: dict[str, str], model: Model, as_tokens: bool
) -> None:
    context = model.tokenize(CONTEXT)
    prompts = [
        context + model.tokenize(each) if as_tokens else CONTEXT + each for each in CONTINUATIONS
    ]
    answer = server.complete(**harness_payload(prompts)).json
    results = as_the_harness_reads(answer, [len(context)] * len(prompts))
    for continuation, (logprob, _) in zip(CONTINUATIONS, results, strict=True):
        assert logprob == pytest.approx(score(env, CONTEXT, continuation)["logprob"], abs=1e-6)
    for choice, continuation in zip(answer["choices"], CONTINUATIONS, strict=True):
        assert choice["text"].startswith(CONTEXT + continuation)
        assert len(choice["logprobs"]["tokens"]) == len(context) + 1 + len(
            model.tokenize(continuation)
        )


def test_the_greedy_continuation_is_known_as_such(server: Server, model: Model) -> None:
    context = model.tokenize(CONTEXT)
    asked = {"prompt": CONTEXT, "max_tokens": 6, "temperature": 0, "deterministic": True}
    greedy = server.complete(**asked).json["choices"][0]["text"]
    for text, is_greedy in ((greedy, True), (f"{greedy} zebra", False)):
        prompt = context + model.tokenize(text)
        answer = server.complete(**harness_payload([prompt])).json
        assert as_the_harness_reads(answer, [len(context)])[0][1] is is_greedy


def test_a_generated_end_of_text_has_its_place(server: Server, model: Model) -> None:
    """The harness drops the last entry, which must be that of the generated token."""
    asked = {"prompt": "Once upon a time", "max_tokens": 400, "temperature": 0, "logprobs": 1}
    (choice,) = server.complete(**asked, echo=True, deterministic=True).json["choices"]
    text = choice["text"]
    assert (choice["finish_reason"], choice["logprobs"]["tokens"][-1]) == ("stop", "<|endoftext|>")
    prompt = model.tokenize(text)
    (choice,) = server.complete(**harness_payload([prompt])).json["choices"]
    logprobs = choice["logprobs"]
    assert logprobs["tokens"][len(prompt) :] == ["<|endoftext|>"]
    assert all(len(each) == len(prompt) + 1 for each in logprobs.values())
    # An end of text within the prompt, and at its end, is a token as any other.
    special = [model.start_token, *prompt, model.start_token]
    (choice,) = server.complete(prompt=[special], max_tokens=0, logprobs=1, echo=True).json[
        "choices"
    ]
    assert choice["logprobs"]["tokens"][-1] == "<|endoftext|>"
    assert len(choice["logprobs"]["token_logprobs"]) == len(special)
    assert choice["text"] == text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_only_the_prompt(
    server: Server, env: dict[str, str], model: Model, count: int, stream: bool
) -> None:
    text = "Zoë ate a 🍰 and said: “naïve”.\n\nThe end"
    asked: dict[str, Any] = {"prompt": text, "max_tokens": 0, "logprobs": count, "echo": True}
    asked |= {"stream": stream, "n": 2}
    answer = server.complete(
        **asked, **({"stream_options": {"include_usage": True}} if stream else {})
    )
    events = answer.events if stream else [answer.json]
    choices = sorted(
        (choice for event in events for choice in event["choices"]), key=itemgetter("index")
    )
    assert [choice["text"] for choice in choices] == [text, text]
    assert choices[0]["logprobs"] == choices[1]["logprobs"]
    assert {choice["finish_reason"] for choice in choices} == {"length"}
    tokens = model.tokenize(text)
    assert events[-1]["usage"] == {
        "prompt_tokens": len(tokens), "completion_tokens": 0, "total_tokens": len(tokens)
    }  # fmt: skip
    logprobs = choices[0]["logprobs"]
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    scores = [each["logprob"] for each in score(env, text[:1], text[1:])["scores"]]
    np.testing.assert_allclose(logprobs["token_logprobs"][1:], scores, rtol=0, atol=1e-6)
    for logprob, top in zip(
        logprobs["token_logprobs"][1:], logprobs["top_logprobs"][1:], strict=True
    ):
        assert len(top) == count
        assert list(top.values()) == sorted(top.values(), reverse=True)
        assert not top or logprob <= max(top.values())
        assert sum(map(math.exp, top.values())) <= 1 + 1e-6
    offsets = logprobs["text_offset"]
    for offset, token, end in zip(
        offsets, logprobs["tokens"], [*offsets[1:], len(text)], strict=True
    ):
        if not token.startswith("bytes:"):
            assert text[offset:end] == token
    pieces = b"".join(map(model.piece, tokens))
    assert pieces.decode() == text
    done = 0
    for offset, each in zip(offsets, tokens, strict=True):
        assert offset == len(pieces[:done].decode(errors="ignore"))
        done += len(model.piece(each))


def test_prompt_and_completion_together(server: Server) -> None:
    asked: dict[str, Any] = {"prompt": [CONTEXT, "A dog"], "max_tokens": 12, "seed": 3, "n": 2}
    asked |= {"logprobs": 2, "deterministic": True}
    alone = server.complete(**asked).json
    both = server.complete(**asked, echo=True).json
    only = server.complete(**asked | {"max_tokens": 0, "n": 1}, echo=True).json
    assert both["usage"] == alone["usage"]
    for i, choice in enumerate(both["choices"]):
        prompt, completion = only["choices"][i // 2], alone["choices"][i]
        assert choice["text"] == prompt["text"] + completion["text"]
        for name, values in choice["logprobs"].items():
            rest = completion["logprobs"][name]
            if name == "text_offset":
                rest = [offset + len(prompt["text"]) for offset in rest]
            assert values == prompt["logprobs"][name] + rest
    events = server.complete(**asked, echo=True, stream=True).events
    for i, choice in enumerate(both["choices"]):
        parts = [each for event in events for each in event["choices"] if each["index"] == i]
        assert "".join(part["text"] for part in parts) == choice["text"]
        for name, values in choice["logprobs"].items():
            assert [each for part in parts for each in part["logprobs"][name]] == values


def test_by_the_client(server: Server) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    answer = client.completions.create(
        model="demo", prompt=CONTEXT, max_tokens=0, echo=True, logprobs=5
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs
    assert logprobs.tokens
    assert "".join(logprobs.tokens) == CONTEXT
    (choice,) = client.completions.create(
        model="demo", prompt="", max_tokens=0, echo=True, logprobs=1
    ).choices
    assert choice.logprobs
    assert choice.logprobs.token_logprobs
    assert choice.logprobs.token_logprobs[0] is None
    (choice,) = client.completions.create(
        model="demo", prompt=CONTEXT, max_tokens=0, echo=True
    ).choices
    assert (choice.text, choice.logprobs) == (CONTEXT, None)


def test_many_prompts_at_once_delay_no_stream(server: Server, model: Model) -> None:
    """Between the evaluations of two prompts, others have a step."""
    prompt = (model.tokenize(CONTEXT) * 20)[:100]
    asked = harness_payload([[i, *prompt[1:]] for i in range(40)])
    with ThreadPoolExecutor(1) as pool:
        scored = pool.submit(server.complete, **asked)
        wait_until(lambda: server.metric("distil_waiting") > 35)
        for deterministic in (True, False):
            answer = server.complete(
                max_tokens=5, ignore_eos=True, stream=True, deterministic=deterministic
            )
            assert answer.events
        assert not scored.done()
        assert len(as_the_harness_reads(scored.result().json, [2] * 40)) == 40
    assert server.metric("distil_open") == server.metric("distil_waiting") == 0


def test_a_client_that_goes_away(server: Server, model: Model) -> None:
    prompt = (model.tokenize(CONTEXT) * 20)[:100]
    connection = server.connect()
    body = json.dumps(harness_payload([prompt] * 64)).encode()
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    wait_until(lambda: server.metric("distil_waiting") > 35)
    connection.close()
    answer = server.complete(prompt=CONTEXT, max_tokens=0, echo=True, logprobs=0)
    assert answer.status == 200
    assert server.metric("distil_waiting") == 0


def test_only_the_echo_streamed(server: Server) -> None:
    events = server.complete(prompt=["a", ""], max_tokens=0, echo=True, stream=True).events
    choices = [choice for event in events for choice in event["choices"]]
    assert [(choice["text"], choice["finish_reason"]) for choice in choices] == [
        ("a", "length"), ("", "length")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fields", [{"max_tokens": 0}, {"max_tokens": 0, "logprobs": 1}, {"max_tokens": -1}]
)
def test_what_is_refused(server: Server, fields: dict[str, Any]) -> None:
    answer = server.complete(**fields)
    assert (answer.status, answer.json["error"]["param"]) == (400, "max_tokens")
