"""Each sampler, beside llama.cpp's own function on the same logits, and by what it promises."""

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.engine import Context, GenerationOptions, Generator, Model, Request
from distilgpt2_cli.engine.llama.bindings import lib
from distilgpt2_cli.engine.sampling import new_chain, show
from distilgpt2_cli.errors import DistilError, ParameterError, UsageError
from distilgpt2_cli.models import demo
from tests.support.extent import ALL_CASES, cases

PROMPT = "Once upon a time, there was a little girl. There was a little"


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    with Model(demo().path) as model, Context(model) as context:
        yield context


def drawn(context: Context, options: GenerationOptions, seed: int = 1, **more: Any) -> list[int]:
    generator = Generator(context, options, **more)
    return [token.id for token in generator.complete(PROMPT, seed)]


def biases(*pairs: tuple[int, float]) -> Callable[[Model], list[object]]:
    def make(model: Model) -> list[object]:
        array = (lib.llama_logit_bias * len(pairs))(*pairs)
        return [lib.llama_sampler_init_logit_bias(model.vocabulary_size, len(pairs), array)]

    return make


def dry(model: Model) -> list[object]:
    breakers = (ctypes.c_char_p * 2)(b"\n", b".")
    return [lib.llama_sampler_init_dry(model.vocabulary, 0.8, 1.5, 1, 64, breakers, 2)]


def penalties(model: Model) -> list[object]:
    return [lib.llama_sampler_init_penalties(model.vocabulary_size, 7, 1.3, 0.1, 0.2)]


def top_k(_: Model) -> list[object]:
    return [lib.llama_sampler_init_top_k(50)]


DRAW: Callable[[int], list[object]] = lambda seed: [lib.llama_sampler_init_dist(seed)]  # noqa: E731

# Options, what changes single logits, and the filters and the draw of a seed: in this order.
CASES: dict[str, tuple[dict[str, Any], list[Callable[[Model], list[object]]], Any]] = {
    "typical-p": (
        {"typical_p": 0.6},
        [top_k],
        lambda _, seed: [lib.llama_sampler_init_typical(0.6, 1), *DRAW(seed)],
    ),
    "top-n-sigma": (
        {"top_n_sigma": 1.5, "top_k": 0, "temperature": 0.9},
        [],
        lambda _, seed: [
            lib.llama_sampler_init_top_n_sigma(1.5),
            lib.llama_sampler_init_temp(0.9),
            *DRAW(seed),
        ],
    ),
    "dynamic temperature": (
        {"dynatemp_range": 0.7, "dynatemp_exponent": 1.3},
        [top_k],
        lambda _, seed: [lib.llama_sampler_init_temp_ext(1.0, 0.7, 1.3), *DRAW(seed)],
    ),
    "mirostat 1": (
        {"mirostat": 1, "mirostat_tau": 3.0, "mirostat_eta": 0.2, "temperature": 0.8},
        [],
        lambda model, seed: [
            lib.llama_sampler_init_temp(0.8),
            lib.llama_sampler_init_mirostat(model.vocabulary_size, seed, 3.0, 0.2, 100),
        ],
    ),
    "mirostat 2": (
        {"mirostat": 2, "mirostat_tau": 4.0},
        [],
        lambda _, seed: [lib.llama_sampler_init_mirostat_v2(seed, 4.0, 0.1)],
    ),
    "XTC": (
        {"xtc_probability": 0.5, "xtc_threshold": 0.05},
        [top_k],
        lambda _, seed: [
            lib.llama_sampler_init_xtc(0.5, 0.05, 1, (seed + 2147483647) % 4294967295),
            *DRAW(seed),
        ],
    ),
    "DRY": (
        {
            "dry_multiplier": 0.8,
            "dry_base": 1.5,
            "dry_allowed_length": 1,
            "dry_penalty_last_n": 64,
            "dry_sequence_breakers": ("\n", "."),
        },
        [dry, top_k],
        lambda _, seed: DRAW(seed),
    ),
    "the newest tokens only": (
        {
            "repetition_penalty": 1.3,
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
            "repeat_last_n": 7,
        },
        [penalties, top_k],
        lambda _, seed: DRAW(seed),
    ),
    "biases": (
        {"logit_bias": ((12, 3.5), (262, None), (11, -2.0))},
        [biases((12, 3.5), (262, -math.inf), (11, -2.0)), top_k],
        lambda _, seed: DRAW(seed),
    ),
    "in their order": (
        {
            "logit_bias": ((12, 3.5),),
            "repetition_penalty": 1.3,
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
            "repeat_last_n": 7,
            "dry_multiplier": 0.8,
            "dry_base": 1.5,
            "dry_allowed_length": 1,
            "dry_penalty_last_n": 64,
            "dry_sequence_breakers": ("\n", "."),
            "top_n_sigma": 2.0,
            "temperature": 1.2,
            "top_p": 0.95,
            "min_p": 0.01,
            "typical_p": 0.9,
        },
        [biases((12, 3.5)), penalties, dry],
        lambda _, seed: [
            lib.llama_sampler_init_top_n_sigma(2.0),
            lib.llama_sampler_init_top_k(50),
            lib.llama_sampler_init_temp(1.2),
            lib.llama_sampler_init_top_p(0.95, 1),
            lib.llama_sampler_init_min_p(0.01, 1),
            lib.llama_sampler_init_typical(0.9, 1),
            *DRAW(seed),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", cases([7, 4294967294], [0]))
def test_each_is_llama_cpp_s_own(context: Context, case: str, seed: int) -> None:
    options, before, after = CASES[case]
    found = drawn(context, GenerationOptions(max_tokens=25, ignore_eos=True, **options), seed)
    model = context.model
    ends = biases(*((token, -math.inf) for token in model.end_tokens))(model)
    chain = new_chain(*ends, *(one for make in before for one in make(model)), *after(model, seed))
    prompt = model.tokenize(PROMPT)
    show(chain, prompt)
    context.rewind(0)
    context.evaluate(prompt)
    expected = []
    for _ in range(25):
        expected.append(lib.llama_sampler_sample(chain, context.pointer, -1))
        context.step(expected[-1:])
    lib.llama_sampler_free(chain)
    assert found == expected


@pytest.mark.parametrize("case", CASES)
def test_observing_changes_nothing(context: Context, case: str) -> None:
    options = GenerationOptions(max_tokens=20, **CASES[case][0])
    assert drawn(context, options) == drawn(context, options, alternatives=2)


def test_what_they_do_to_the_text(context: Context) -> None:
    model = context.model
    (letter,) = model.tokenize("e")
    always = GenerationOptions(max_tokens=8, logit_bias=((letter, 100.0),))
    assert drawn(context, always) == [letter] * 8
    never = GenerationOptions(max_tokens=60, logit_bias=((11, None),))
    assert 11 in drawn(context, GenerationOptions(max_tokens=60))
    assert 11 not in drawn(context, never)


def test_a_bias_for_no_token(context: Context) -> None:
    with pytest.raises(ParameterError, match="logit_bias can't be 99999"):
        drawn(context, GenerationOptions(logit_bias=((99999, 1.0),)))


def text_of(context: Context, tokens: Sequence[int]) -> str:
    return b"".join(map(context.model.piece, tokens)).decode(errors="replace")


@pytest.mark.parametrize("top", [None, 2])
@pytest.mark.parametrize("seed", cases([0], [1, 2, 3, 4]))
def test_a_banned_text_never_comes_about(context: Context, seed: int, top: int | None) -> None:
    """However it is cut into tokens: each ban is a part of the text that came without it."""
    usual = text_of(context, drawn(context, GenerationOptions(max_tokens=40), seed))
    banned: tuple[str, ...] = ()
    for start in range(2, 40, 9 if ALL_CASES else 18):
        banned += (usual[start : start + 2 + start % 4],)
        options = GenerationOptions(max_tokens=40, ban=banned)
        text = text_of(context, drawn(context, options, seed, alternatives=top))
        assert text != usual
        assert not any(each in text for each in banned)


def test_a_ban_counts_the_end_of_the_prompt(context: Context) -> None:
    usual = text_of(context, drawn(context, GenerationOptions(max_tokens=3, temperature=0)))
    options = GenerationOptions(max_tokens=3, temperature=0, ban=("little" + usual[:2],))
    assert not text_of(context, drawn(context, options)).startswith(usual[:2])


def test_a_ban_in_several_bytes(trained: Path) -> None:
    with Model(trained) as model, Context(model, 256) as context:
        generator = Generator(context, GenerationOptions(max_tokens=20, ban=("é", "者", " ")))
        for seed in range(5 if ALL_CASES else 1):
            text = "".join(token.text for token in generator.complete("Voilà, le café", seed))
            assert not set("é者 ") & set(text)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_sequence_of_tokens_occurs_twice(context: Context, size: int) -> None:
    options = GenerationOptions(max_tokens=60, no_repeat_ngram_size=size, top_k=5)
    for seed in range(3):
        prompt = context.model.tokenize("One two three")
        completion = Generator(context, options).complete("One two three", seed)
        tokens = prompt + [token.id for token in completion]
        grams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
        assert len(set(grams)) == len(grams)


def test_bans_in_a_batch_and_under_a_grammar(context: Context) -> None:
    with Context(context.model, 256, 1, 4) as several:
        options = GenerationOptions(max_tokens=30, ban=("a", "e"), no_repeat_ngram_size=2)
        batch = Generator(several, options).complete_all(Request(PROMPT, i) for i in range(6))
        for completion in batch:
            assert not set("ae") & set("".join(token.text for token in completion))
    options = GenerationOptions(max_tokens=30, grammar='root ::= [a-f]{5,9} "."', ban=("b", "cd"))
    generator = Generator(context, options)
    for seed in range(5):
        text = "".join(token.text for token in generator.complete("x", seed))
        assert "b" not in text
        assert "cd" not in text


def test_samplers_under_a_grammar(context: Context) -> None:
    for case, (options, _, _) in CASES.items():
        chosen = GenerationOptions(max_tokens=30, grammar="root ::= [a-z ]{5,9}", **options)
        text = "".join(token.text for token in Generator(context, chosen).complete("The", 3))
        assert 5 <= len(text) <= 9, case


def test_nothing_is_left(context: Context) -> None:
    vocabulary = [context.model.piece(t) for t in range(context.model.vocabulary_size)]
    bytes_of_text = {piece.decode() for piece in vocabulary if len(piece) == 1 and piece < b"\x80"}
    options = GenerationOptions(ban=tuple(bytes_of_text), grammar="root ::= [a-z]+")
    with pytest.raises(DistilError, match="none of the model's tokens"):
        drawn(context, options)


def test_beams_under_a_grammar_are_refused() -> None:
    with pytest.raises(UsageError, match="num_beams can't be 2"):
        GenerationOptions(num_beams=2, grammar='root ::= "a"')


def test_what_is_left_out_and_what_is_drawn_are_independent(context: Context) -> None:
    """With the same random numbers, XTC would leave out the likeliest when it would be drawn."""
    options = GenerationOptions(max_tokens=1, top_k=2)
    (seen,) = Generator(context, options, alternatives=2).complete(PROMPT, 0)
    assert seen.observation
    likeliest = seen.observation.top[0]
    assert likeliest.sampled_logprob is not None
    expected = math.exp(likeliest.sampled_logprob) / 2
    chance = GenerationOptions(max_tokens=1, top_k=2, xtc_probability=0.5, xtc_threshold=0.01)
    generator = Generator(context, chance)
    draws = [token.id for seed in range(1000) for token in generator.complete(PROMPT, seed)]
    error = math.sqrt(expected * (1 - expected) / len(draws))
    assert draws.count(likeliest.id) / len(draws) == pytest.approx(expected, abs=4 * error)
