"""Beam search, beside exhaustive search and beside the scores of the texts that it finds."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from distilgpt2_cli.engine import (
    Context,
    Evaluator,
    GenerationOptions,
    Generator,
    Model,
    Request,
    ScoredText,
    Scorer,
)
from distilgpt2_cli.engine.beams import Beam, BeamSearch
from distilgpt2_cli.models import demo

WORDS, LENGTH = 4, 4
END = 3


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model(demo().path) as model:
        yield model


def table(seed: int) -> dict[tuple[int, ...], np.ndarray]:
    """Return made-up log-probabilities after every text."""
    random = np.random.default_rng(seed)
    texts = itertools.chain.from_iterable(
        itertools.product(range(WORDS), repeat=length) for length in range(LENGTH)
    )
    found = {}
    for text in texts:
        logits = random.normal(size=WORDS) * 2
        found[text] = logits - np.log(np.exp(logits).sum())
    return found


def search(options: GenerationOptions, seed: int) -> list[Beam]:
    found = BeamSearch(options, LENGTH, [END])
    logprobs = table(seed)
    while not found.is_over:
        found.advance(np.array([logprobs[tuple(beam.tokens)] for beam in found.live]))
    return found.found


def every_text(seed: int, penalty: float) -> list[Beam]:
    logprobs = table(seed)
    texts = []
    for length in range(1, LENGTH + 1):
        for text in itertools.product(range(WORDS), repeat=length):
            if END in text[:-1] or (length < LENGTH and text[-1] != END):
                continue
            value = sum(logprobs[text[:i]][token] for i, token in enumerate(text))
            texts.append(Beam(text, float(value / length**penalty)))
    return sorted(texts, key=lambda beam: -beam.value)


@pytest.mark.parametrize("penalty", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_with_enough_beams_it_finds_the_best_of_all(seed: int, penalty: float) -> None:
    options = GenerationOptions(num_beams=100, length_penalty=penalty)
    found, expected = search(options, seed), every_text(seed, penalty)
    for one, other in zip(found[:10], expected[:10], strict=True):
        assert tuple(one.tokens) == other.tokens
        assert one.value == pytest.approx(other.value)


def test_early_stopping_ends_with_as_many_texts_as_beams() -> None:
    shorter = [
        sum(
            len(beam.tokens) for beam in search(GenerationOptions(num_beams=2, early_stopping=e), s)
        )
        for s in range(20)
        for e in (True, False)
    ]
    assert sum(shorter[::2]) < sum(shorter[1::2])


def found_by(
    model: Model, options: GenerationOptions, prompts: Sequence[str], count: int
) -> list[list[tuple[list[int], float]]]:
    requests = [
        Request(prompt, 0, number) for number, prompt in enumerate(prompts) for _ in range(count)
    ]
    with Context(model, 256, 1, options.num_beams) as context:
        completions = [
            ([token.id for token in completion], completion.score or 0.0)
            for completion in Generator(context, options).complete_all(requests)
        ]
    return [completions[i : i + count] for i in range(0, len(completions), count)]


@pytest.mark.parametrize("beams", [2, 5])
def test_scores_are_those_of_the_texts(model: Model, beams: int) -> None:
    prompts = ["Once upon a time", "The cat", "Once upon a time"]
    options = GenerationOptions(num_beams=beams, max_tokens=12)
    texts = found_by(model, options, prompts, beams)
    assert texts[0] == texts[2]
    with Evaluator(model, 256, 1) as evaluator:
        scorer = Scorer(evaluator)
        for prompt, found in zip(prompts, texts, strict=True):
            scores = [score for _, score in found]
            assert scores == sorted(scores, reverse=True)
            assert len({tuple(tokens) for tokens, _ in found}) == beams
            for tokens, score in found:
                before = model.tokenize(prompt)
                scored = ScoredText([*before, *tokens], len(before), 0)
                (whole,) = scorer.score_together([scored])
                assert score == pytest.approx(float(np.mean(whole.logprobs)), abs=0.02)


def test_more_beams_find_likelier_texts(model: Model) -> None:
    prompts = ["Once upon a time", "The cat", "In the morning", "He said"]
    best = {
        beams: [
            found[0][1]
            for found in found_by(
                model, GenerationOptions(num_beams=beams, max_tokens=10), prompts, 1
            )
        ]
        for beams in (2, 16)
    }
    assert sum(best[16]) >= sum(best[2])


def test_bans_and_penalties_hold(model: Model) -> None:
    options = GenerationOptions(
        num_beams=4, max_tokens=30, no_repeat_ngram_size=2, ban=("little", "a"), dry_multiplier=1.0
    )
    for tokens, _ in found_by(model, options, ["Once upon time"], 4)[0]:
        text = b"".join(map(model.piece, tokens)).decode()
        assert "a" not in text
        grams = list(itertools.pairwise(tokens))
        assert len(set(grams)) == len(grams)


def test_a_full_window_ends_the_texts(model: Model) -> None:
    with Context(model, 20, 1, 3) as context:
        options = GenerationOptions(num_beams=3, max_tokens=-1, ignore_eos=True)
        completion = next(Generator(context, options).complete_all([Request("The cat", 0)]))
        tokens = list(completion)
        assert completion.finish_reason == "length"
        assert len(completion.prompt) + len(tokens) == 20 + 1


def test_the_same_for_any_number_of_threads(model: Model) -> None:
    options = GenerationOptions(num_beams=4, max_tokens=20)
    found = []
    for threads in (1, 2, 3):
        with Context(model, 256, threads, 4) as context:
            completion = next(Generator(context, options).complete_all([Request("A dog", 0)]))
            found.append(([token.id for token in completion], completion.score))
    assert found[0] == found[1] == found[2]
