"""Scores of choices beside a GPT-2 in NumPy, with each rule written out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Evaluator, Model
from distilgpt2_cli.engine.evaluate.choices import Choice, ChoiceScorer
from distilgpt2_cli.errors import DistilError
from tests.support.numpy_gpt2 import ReferenceGPT2

NEAR = 1e-2  # nats, of a mean: logits are rounded to about 4e-4 of the largest


@pytest.fixture(scope="module")
def evaluator(tiny: Path) -> Iterator[Evaluator]:
    with Model(tiny) as model, Evaluator(model) as evaluator:
        yield evaluator


@pytest.fixture(scope="module")
def reference(tiny: Path) -> ReferenceGPT2:
    return ReferenceGPT2.from_file(tiny)


def exact(reference: ReferenceGPT2, tokens: list[int]) -> np.ndarray:
    """Return the log-probability of each token but the first, which gets none."""
    rows = reference.log_probabilities(tokens)
    own = [rows[at - 1][token] for at, token in enumerate(tokens) if at]
    return np.array([np.nan, *own])


def near(value: float) -> object:
    return pytest.approx(value, abs=NEAR)


def choices(context: str, *texts: str) -> list[Choice]:
    return [Choice(context, text, len(text.encode())) for text in texts]


def test_choices_after_a_context(evaluator: Evaluator, reference: ReferenceGPT2) -> None:
    scorer, model = ChoiceScorer(evaluator), evaluator.model
    texts = (" the sea is blue.", " the sea was so very grey", " théâtre 鳥")
    given = choices("Once upon a time", *texts)
    (scores,) = scorer.score_together([scorer.tokens(given)])
    whole = [model.tokenize("Once upon a time" + text) for text in texts]
    start = len(model.tokenize("Once upon a time"))
    shared = next(at for at, each in enumerate(zip(*whole, strict=False)) if len({*each}) > 1)
    assert shared >= start
    for tokens, text, score in zip(whole, texts, scores, strict=True):
        logprobs = exact(reference, tokens)
        assert score.tokens == len(tokens) - start
        assert score.byte_count == len(text.encode())
        total = logprobs[start:].sum()
        assert score.logprob == pytest.approx(total, abs=NEAR * score.tokens)
        assert score.per_token == near(total / score.tokens)
        assert score.per_byte == near(total / len(text.encode()))
        assert score.after_shared == near(logprobs[shared:].mean())
        assert score.after_option is None


def test_tokens_that_all_choices_begin_with(evaluator: Evaluator, reference: ReferenceGPT2) -> None:
    """They count for the log-probability, but not for llama.cpp's rule."""
    scorer, model = ChoiceScorer(evaluator), evaluator.model
    given = choices("Tom", " went to the park", " went to the big red house")
    item = scorer.tokens(given)
    (scores,) = scorer.score_together([item])
    assert item.shared == item.starts[0] + 3
    for choice, score in zip(given, scores, strict=True):
        logprobs = exact(reference, model.tokenize(choice.before + choice.scored))
        assert score.after_shared == near(logprobs[item.shared :].mean())
        assert score.per_token == near(logprobs[item.starts[0] :].mean())


def test_one_choice_begins_another(evaluator: Evaluator) -> None:
    scorer = ChoiceScorer(evaluator)
    item = scorer.tokens(choices("Tom", " went", " went home"))
    (scores,) = scorer.score_together([item])
    assert all(np.isfinite(score.after_shared) for score in scores)
    assert scores[0].logprob > scores[1].logprob


def test_what_follows_a_blank(evaluator: Evaluator, reference: ReferenceGPT2) -> None:
    scorer, model = ChoiceScorer(evaluator), evaluator.model
    befores = (
        "The trophy is in the big bag because Tom",
        "The trophy is in the big bag because Sue Ann",
    )
    for after, skips in ((" was so very happy and proud.", True), (" ran.", False)):
        item = scorer.tokens([Choice(before, after, len(after)) for before in befores])
        (scores,) = scorer.score_together([item])
        whole = [model.tokenize(before + after) for before in befores]
        shared = item.shared
        assert whole[0][:shared] == whole[1][:shared]
        assert whole[0][shared] != whole[1][shared]
        assert all(len(tokens) - shared > 3 for tokens in whole) == skips
        for before, tokens, score in zip(befores, whole, scores, strict=True):
            logprobs = exact(reference, tokens)
            begin = len(model.tokenize(before)) if skips else shared
            assert score.after_option == near(logprobs[begin:-1].mean())
            own = logprobs[len(model.tokenize(before)) :]
            assert score.per_token == near(own.mean())


def test_sentences_with_nothing_before_them(evaluator: Evaluator, reference: ReferenceGPT2) -> None:
    scorer, model = ChoiceScorer(evaluator), evaluator.model
    sentences = ("The cats run.", "Those cats runs.")
    (scores,) = scorer.score_together([scorer.tokens(choices("", *sentences))])
    for sentence, score in zip(sentences, scores, strict=True):
        tokens = [model.start_token, *model.tokenize(sentence)]
        assert score.tokens == len(tokens) - 1
        assert score.per_token == near(exact(reference, tokens)[1:].mean())


def test_white_space_before_a_choice_belongs_to_it(evaluator: Evaluator) -> None:
    scorer = ChoiceScorer(evaluator)
    texts = ("run", "sleep")
    first, second = scorer.score_together(
        [
            scorer.tokens([Choice("The cats ", text, len(text)) for text in texts]),
            scorer.tokens([Choice("The cats", f" {text}", len(text)) for text in texts]),
        ]
    )
    assert first == second


def test_a_context_that_is_too_long(evaluator: Evaluator, reference: ReferenceGPT2) -> None:
    scorer, model = ChoiceScorer(evaluator), evaluator.model
    context = "It was a dark and stormy night; " * 30
    texts = ("the rain fell", "the rain fell in torrents and did not stop")
    item = scorer.tokens(choices(context, *texts))
    (scores,) = scorer.score_together([item])
    whole = [model.tokenize(context + text) for text in texts]
    assert item.cut == max(map(len, whole)) - evaluator.size > 0
    for tokens, score in zip(whole, scores, strict=True):
        logprobs = exact(reference, tokens[item.cut :])
        assert score.per_token == near(logprobs[len(logprobs) - score.tokens :].mean())
    with pytest.raises(DistilError, match="A choice is longer than the context window of 128"):
        scorer.tokens(choices("Tom", " a b" * 100, " c"))


def test_several_at_once_are_near(evaluator: Evaluator) -> None:
    alone = ChoiceScorer(evaluator)
    given = [choices("The rain", " fell", " in Spain fell"), choices("", "A", "B c d")]
    expected = list(alone.score_together([alone.tokens(each) for each in given]))
    with Evaluator(evaluator.model, sequences=3) as several:
        together = ChoiceScorer(several)
        found = list(together.score_together([together.tokens(each) for each in given]))
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=0.05)
            assert one.tokens == other.tokens
