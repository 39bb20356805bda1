"""What is observed of a draw, beside the logits themselves and the texts without observation."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Context, GenerationOptions, Generator, Model, observe_next

PROMPT = "The old man and the"


@pytest.fixture(scope="module")
def context(tiny: Path) -> Iterator[Context]:
    with Model(tiny) as model, Context(model) as context:
        yield context


def logprobs(context: Context) -> np.ndarray:
    logits = np.array(context.copy_logits(), np.float64)
    return np.asarray(logits - np.log(np.exp(logits).sum()))


@pytest.mark.parametrize(
    "options",
    [
        GenerationOptions(max_tokens=30),
        GenerationOptions(max_tokens=30, temperature=0),
        GenerationOptions(max_tokens=30, temperature=0.6, top_k=0, top_p=0.9, min_p=0.02),
        GenerationOptions(max_tokens=30, top_k=5, repetition_penalty=1.3, frequency_penalty=0.5),
        GenerationOptions(max_tokens=30, top_k=300, ignore_eos=True),
    ],
)
def test_observing_changes_no_token(context: Context, options: GenerationOptions) -> None:
    for seed in range(3):
        plain = [token.id for token in Generator(context, options).complete(PROMPT, seed)]
        observed = list(Generator(context, options, alternatives=3).complete(PROMPT, seed))
        assert [token.id for token in observed] == plain
        for token in observed:
            assert token.observation
            drawn, top, left = token.observation
            assert drawn.id == token.id
            assert drawn.sampled_logprob is not None
            assert len(top) == 3
            assert top == sorted(top, key=lambda each: -each.logprob)
            assert 1 <= left <= (options.top_k or context.model.vocabulary_size)
    assert all(token.observation is None for token in Generator(context, options).complete("a", 1))


def test_before_the_filters(context: Context) -> None:
    tokens = context.model.tokenize(PROMPT)
    seen = observe_next(context, tokens, GenerationOptions(max_tokens=1), 20)
    expected = logprobs(context)
    order = np.argsort(-expected, kind="stable")[:20]
    assert [each.id for each in seen.top] == order.tolist()
    np.testing.assert_allclose([each.logprob for each in seen.top], expected[order], rtol=1e-9)


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.5, 0), (1.0, 10), (1.7, 40)])
def test_after_the_filters(context: Context, temperature: float, top_k: int) -> None:
    """Top-k, then the temperature, by their definitions."""
    options = GenerationOptions(max_tokens=1, temperature=temperature, top_k=top_k)
    tokens = context.model.tokenize(PROMPT)
    seen = observe_next(context, tokens, options, 60)
    scaled = logprobs(context) / temperature
    kept = np.argsort(-scaled, kind="stable")[: top_k or None]
    expected = np.full(len(scaled), -math.inf)
    expected[kept] = scaled[kept] - np.log(np.exp(scaled[kept]).sum())
    assert seen.left == len(kept)
    for candidate in seen.top:
        if candidate.sampled_logprob is None:
            assert expected[candidate.id] == -math.inf
        else:
            assert candidate.sampled_logprob == pytest.approx(expected[candidate.id], rel=1e-5)


def test_top_p_keeps_what_reaches_the_probability(context: Context) -> None:
    tokens = context.model.tokenize(PROMPT)
    options = GenerationOptions(max_tokens=1, top_k=0, top_p=0.3)
    seen = observe_next(context, tokens, options, 1000)
    probabilities = np.exp(np.sort(logprobs(context))[::-1])
    needed = int(np.searchsorted(probabilities.cumsum(), 0.3)) + 1
    assert seen.left == needed
    kept = [each for each in seen.top if each.sampled_logprob is not None]
    assert sum(math.exp(each.sampled_logprob or 0) for each in kept) == pytest.approx(1)


def test_greedy_leaves_one(context: Context) -> None:
    tokens = context.model.tokenize(PROMPT)
    seen = observe_next(context, tokens, GenerationOptions(max_tokens=1, temperature=0), 2)
    assert seen.left == 1
    assert seen.drawn.sampled_logprob == 0
    assert seen.top[0].id == seen.drawn.id
    assert seen.top[1].sampled_logprob is None


def test_a_prompt_over_the_window_keeps_its_end(context: Context) -> None:
    tokens = context.model.tokenize("word " * 300)
    options = GenerationOptions(max_tokens=1)
    end = observe_next(context, tokens[-context.size + 1 :], options, 5)
    assert observe_next(context, tokens, options, 5) == end
    assert observe_next(context, [], options, 1).top
