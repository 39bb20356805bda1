"""Samplers, constraints, best_of, unknown fields, and the tokenizer's paths."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.engine import Context, GenerationOptions, Generator, Model, Request
from distilgpt2_cli.models import demo
from tests.support import gguf
from tests.support.processes import wait_until
from tests.support.run import environment
from tests.support.server import Server, serving

PROMPT = "Once upon a time, there was a"


@pytest.fixture(scope="module")
def model() -> Any:
    with Model(demo().path) as model:
        yield model


def expected(model: Model, seed: int, **options: Any) -> str:
    with Context(model, None, 1) as context:
        generator = Generator(context, GenerationOptions(**{"top_k": 0, **options}))
        return "".join(token.text for token in generator.complete(PROMPT, seed))


SAME_NAMES: list[dict[str, Any]] = [
    {"typical_p": 0.6},
    {"top_n_sigma": 1.5},
    {"xtc_probability": 0.5, "xtc_threshold": 0.05, "top_k": 20},
    {"dynatemp_range": 0.5, "dynatemp_exponent": 1.5, "temperature": 0.9},
    {"mirostat": 1, "mirostat_tau": 3.0, "mirostat_eta": 0.2},
    {"mirostat": 2},
    {"dry_multiplier": 2.0, "dry_base": 1.5, "dry_allowed_length": 1, "dry_penalty_last_n": 30},
    {"repetition_penalty": 1.3, "repeat_last_n": 5},
    {"no_repeat_ngram_size": 2, "top_k": 3},
]


@pytest.mark.parametrize("fields", SAME_NAMES, ids=lambda fields: ", ".join(fields))
def test_the_same_as_the_engine(server: Server, model: Model, fields: dict[str, Any]) -> None:
    common = {"max_tokens": 20, "seed": 3}
    answer = server.complete(prompt=PROMPT, deterministic=True, **common, **fields)
    assert answer.json["choices"][0]["text"] == expected(model, 3, max_tokens=20, **fields)
    assert "Warning" not in answer.headers


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"repeat_penalty": 1.5}, {"repetition_penalty": 1.5}),
        ({"top_n_sigma": -1}, {}),
        ({"logit_bias": {"12": 5, "11": -100}}, {"logit_bias": ((12, 5.0), (11, -100.0))}),
        ({"logit_bias": [[12, 5], [11, False]]}, {"logit_bias": ((12, 5.0), (11, None))}),
        ({"ban": "little"}, {"ban": ("little",)}),
        ({"ban": ["little", "a"]}, {"ban": ("little", "a")}),
        ({"dry_multiplier": 3, "dry_sequence_breakers": ["."]}, {"dry_multiplier": 3.0,
         "dry_sequence_breakers": (".",)}),
        ({"stop": []}, {}),
        ({"stop": list("zqxjkvwy.,")}, {"stop": tuple("zqxjkvwy.,")}),
        ({"num_beams": 1, "early_stopping": False}, {}),
        ({"grammar": 'root ::= " " [a-z]+ "."'}, {"grammar": 'root ::= " " [a-z]+ "."'}),
    ],
)  # fmt: skip
def test_other_names_and_forms(
    server: Server, model: Model, fields: dict[str, Any], options: dict[str, Any]
) -> None:
    answer = server.complete(prompt=PROMPT, max_tokens=16, seed=4, deterministic=True, **fields)
    assert answer.status == 200, answer.body
    text = answer.json["choices"][0]["text"]
    assert text == expected(model, 4, max_tokens=16, **options)


def test_a_bias_by_text(server: Server) -> None:
    answer = server.complete(prompt=PROMPT, max_tokens=5, logit_bias=[["e", 100]])
    assert answer.json["choices"][0]["text"] == "eeeee"


def test_choices_and_a_schema(server: Server) -> None:
    for _ in range(3):
        answer = server.complete(prompt="Is it? ", choices=["yes", "no"], max_tokens=5)
        assert answer.json["choices"][0]["text"] in ("yes", "no")
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    answer = server.complete(prompt="{", json_schema=schema, max_tokens=60, stream=True)
    text = "".join(event["choices"][0]["text"] for event in answer.events)
    assert isinstance(json.loads(text)["age"], int)


def test_the_best_of_several(server: Server) -> None:
    common: dict[str, Any] = {"prompt": [PROMPT, "The cat"], "max_tokens": 8, "seed": 1}
    all_six = server.complete(**common, n=6, logprobs=0, deterministic=True).json
    best = server.complete(**common, n=2, best_of=6, deterministic=True).json

    def mean(choice: Any) -> float:
        logprobs = choice["logprobs"]["token_logprobs"]
        return float(sum(logprobs) / len(logprobs))

    for prompt in range(2):
        ranked = sorted(all_six["choices"][prompt * 6 : prompt * 6 + 6], key=mean, reverse=True)
        found = best["choices"][prompt * 2 : prompt * 2 + 2]
        assert [each["text"] for each in found] == [each["text"] for each in ranked[:2]]
        assert [each["seed"] for each in found] == [each["seed"] for each in ranked[:2]]
    assert [each["index"] for each in best["choices"]] == [0, 1, 2, 3]
    assert best["choices"][0]["logprobs"] is None
    assert best["usage"]["completion_tokens"] == all_six["usage"]["completion_tokens"]


@pytest.mark.parametrize("stream", [False, True])
def test_beams(server: Server, model: Model, stream: bool) -> None:
    fields = {"num_beams": 4, "length_penalty": 0.5, "no_repeat_ngram_size": 2, "max_tokens": 12}
    prompts = [PROMPT, "The cat"]
    answer = server.complete(prompt=prompts, n=3, stream=stream, ban="little", **fields)
    found = [""] * 6
    for event in answer.events if stream else [answer.json]:
        for choice in event["choices"]:
            found[choice["index"]] += choice["text"]
    options = GenerationOptions(**fields, ban=("little",))  # type: ignore[arg-type]
    with Context(model, None, 1, 4) as context:
        requests = [Request(prompt, 0, i) for i, prompt in enumerate(prompts) for _ in range(3)]
        completions = Generator(context, options).complete_all(requests)
        assert found == ["".join(token.text for token in each) for each in completions]


def test_beams_leave_the_steps_of_others_their_turns(server: Server) -> None:
    with ThreadPoolExecutor(2) as pool:
        beams = pool.submit(server.complete, prompt=PROMPT, num_beams=16, max_tokens=30)
        other = server.complete(prompt=PROMPT, max_tokens=20, ignore_eos=True)
        assert other.json["usage"]["completion_tokens"] == 20
        assert beams.result().status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_unknown_fields_are_ignored_with_a_warning(server: Server, stream: bool) -> None:
    answer = server.complete(
        prompt="a", max_tokens=1, stream=stream, min_tokens=3, **{'n"\r\nX: é': 1}
    )
    assert answer.status == 200
    warning = answer.headers["warning"]
    assert warning.startswith('199 distil "Ignored fields: min_tokens, ')
    assert warning.isascii()
    assert "X" not in answer.headers
    wait_until(lambda: any("Ignored fields: min_tokens" in line for line in server.lines))
    body = json.dumps({"input": "a", "truncate": True}).encode()
    embedded = server.request("POST", "/v1/embeddings", body)
    assert embedded.headers["warning"] == '199 distil "Ignored fields: truncate."'


def test_strict(tmp_path: Path) -> None:
    with serving("--model", "demo", "--strict", env=environment(tmp_path)) as server:
        answer = server.complete(prompt="a", max_tokens=1, min_tokens=3)
        assert answer.status == 400
        assert answer.json["error"]["param"] == "min_tokens"
        assert server.complete(prompt="a", max_tokens=1, user="me").status == 200


def test_what_is_refused_says_why(server: Server) -> None:
    message = server.complete(suffix="end").json["error"]["message"]
    assert message == (
        "suffix is not supported: the model continues texts, and can't fill in what is between two."
    )


def post(server: Server, path: str, **fields: Any) -> Any:
    answer = server.request("POST", path, json.dumps(fields).encode())
    return answer.json if answer.status == 200 else answer.status


def test_the_tokenizer_s_paths(server: Server, model: Model) -> None:
    text = "Voilà, 鳥 <|endoftext|>"
    tokens = post(server, "/tokenize", prompt=text, add_special_tokens=False)
    assert tokens["tokens"] == model.tokenize_bytes(text.encode(), parse_special=True)
    assert tokens["tokens"][-1] == model.end_token
    assert (tokens["count"], tokens["max_model_len"]) == (len(tokens["tokens"]), model.window)
    assert post(server, "/tokenize", content=text)["tokens"] == tokens["tokens"]
    plain = post(server, "/tokenize", content=text, parse_special=False)["tokens"]
    assert plain == model.tokenize(text)
    strings = post(server, "/tokenize", prompt="A cat", return_token_strs=True)["token_strs"]
    assert "".join(strings) == "A cat"
    for each in (tokens["tokens"], plain):
        assert post(server, "/detokenize", tokens=each) == {"prompt": text, "content": text}
    assert post(server, "/detokenize", tokens=[])["prompt"] == ""
    info = server.get("/tokenizer_info").json
    assert info["eos_token"] == info["bos_token"] == "<|endoftext|>"
    assert info["vocab_size"] == model.vocabulary_size
    assert info["model_max_length"] == model.window
    for fields in ({}, {"prompt": 3}, {"prompt": "\ud800"}):
        assert post(server, "/tokenize", **fields) == 400
    for wrong in ("a", [1.5], [-1], [10**9], None):
        assert post(server, "/detokenize", tokens=wrong) == 400


def test_a_start_token_where_the_model_wants_one(tmp_path: Path) -> None:
    path = gguf.write(
        tmp_path / "tiny.gguf",
        gguf.Shape(tokens=600),
        without=("tokenizer.ggml.add_bos_token",),
        add=lambda writer: writer.add_add_bos_token(True),
    )
    with Model(path) as model, serving("-m", str(path), env=environment(tmp_path)) as server:
        assert model.added_start_token is not None
        found = post(server, "/tokenize", prompt="A cat")["tokens"]
        assert found == model.tokenize("A cat")
        without = post(server, "/tokenize", prompt="A cat", add_special_tokens=False)["tokens"]
        assert found == [model.added_start_token, *without]


def harness(prompts: Any) -> dict[str, Any]:
    return {"prompt": prompts, "max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True}


@pytest.mark.parametrize("length", [1, 2, 40, 300])
def test_one_token_after_the_scores(server: Server, model: Model, length: int) -> None:
    """It is drawn from the evaluation of the prompt, and is what a longer text begins with."""
    tokens = model.tokenize(PROMPT * 60)[:length]
    (one,) = server.complete(**harness([tokens])).json["choices"]
    (two,) = server.complete(**{**harness([tokens]), "max_tokens": 2}).json["choices"]
    logprobs, longer = one["logprobs"], two["logprobs"]
    assert len(logprobs["tokens"]) == length + 1
    assert logprobs["tokens"] == longer["tokens"][:-1]
    assert logprobs["token_logprobs"][:-1] == longer["token_logprobs"][:-2]
    assert logprobs["token_logprobs"][-1] == pytest.approx(longer["token_logprobs"][-2], abs=0.05)
    assert one["finish_reason"] == "length"


def test_prompts_that_are_scored_together(server: Server, tmp_path: Path) -> None:
    texts = [f"{PROMPT} number {i}. The end" for i in range(9)] + ["A"]
    alone = server.complete(**harness(texts)).json["choices"]
    together = server.complete(**harness(texts), score_together=True).json["choices"]
    again = server.complete(**harness(texts), score_together=True).json["choices"]
    assert [each["logprobs"]["tokens"][:-1] for each in alone] == [
        each["logprobs"]["tokens"][:-1] for each in together
    ]
    scores = [each["logprobs"]["token_logprobs"][:-1] for each in together]
    assert scores == [each["logprobs"]["token_logprobs"][:-1] for each in again]
    for one, other in zip(alone, together, strict=True):
        assert one["logprobs"]["token_logprobs"][1:-1] == pytest.approx(
            other["logprobs"]["token_logprobs"][1:-1], abs=0.1
        )
    with serving("-m", "demo", "--score-together", env=environment(tmp_path)) as other_server:
        usual = other_server.complete(**harness(texts)).json["choices"]
        assert [each["logprobs"]["token_logprobs"][:-1] for each in usual] == scores
        one_by_one = other_server.complete(**harness(texts), score_together=False).json["choices"]
        assert (
            one_by_one[0]["logprobs"]["token_logprobs"][:-1]
            == (alone[0]["logprobs"]["token_logprobs"][:-1])
        )
