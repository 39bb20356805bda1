"""What is known of each place of a text, beside its definition."""

from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Evaluator, Model, Scorer
from distilgpt2_cli.engine.evaluate.places import Places, Wanted, no_sets, stream_places
from distilgpt2_cli.engine.evaluate.probabilities import logprobs_of, statistics_of
from distilgpt2_cli.errors import NotANumberError

TEXT = "The little bird was very happy, and it sang a song. " * 12


def test_statistics_of_logits() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(0, 4, (37, 500)).astype(np.float32)
    rows[5, 40] = rows[5, 60] = rows[5, 80]  # of equally likely ones, the first has the best rank
    rows[6, :3] = -np.inf
    targets = random.integers(0, 500, 37).tolist()
    targets[5] = 60
    sets = (random.random((500, 2)) < 0.3).astype(np.float32)
    before = rows.copy()
    found = statistics_of(rows, targets, sets, 4)
    assert (rows == before).all()
    probabilities = np.exp(rows.astype(np.float64))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert found.logprobs.tolist() == logprobs_of(rows, targets).tolist()  # to the bit
    order = np.argsort(-rows, axis=1, kind="stable")
    expected = [order[place].tolist().index(token) + 1 for place, token in enumerate(targets)]
    assert found.ranks.tolist() == expected
    with np.errstate(divide="ignore", invalid="ignore"):
        entropies = -np.nansum(probabilities * np.log(probabilities), axis=1)
    np.testing.assert_allclose(found.entropies, entropies, rtol=1e-5)
    np.testing.assert_allclose(np.exp(found.shares), probabilities @ sets, rtol=1e-5)
    assert found.top_ids.tolist() == order[:, :4].tolist()
    with pytest.raises(NotANumberError):
        statistics_of(rows * np.nan, targets, sets)


def test_of_texts_alone_and_together(bundled: Path) -> None:
    texts = ["The little bird", " Once upon a time there was a frog.", "x"]
    with Model(bundled) as model, Evaluator(model, sequences=3) as evaluator:
        sets = np.zeros((model.vocabulary_size, 1), np.float32)
        sets[::2] = 1
        scorer = Scorer(evaluator, wanted=Wanted(sets, 2))
        plain = Scorer(evaluator)
        scored = [scorer.tokens(text, "Hello") for text in texts]
        for together, text in zip(scorer.score_together(scored), texts, strict=True):
            alone = scorer.score(text, "Hello")
            assert alone.places
            assert together.places
            count = len(alone.tokens)
            assert together.tokens == alone.tokens == plain.score(text, "Hello").tokens
            assert alone.byte_count == len(text)
            # The place after the text has shares too.
            assert [len(part) for part in alone.places] == [count + 1] * len(alone.places)
            assert alone.places.contexts.tolist() == [1 + place for place in range(count + 1)]
            for part, other in zip(together.places, alone.places, strict=True):
                np.testing.assert_allclose(part[:count], other[:count], atol=2e-2)
            np.testing.assert_allclose(
                alone.logprobs, plain.score(text, "Hello").logprobs, atol=2e-2
            )


def test_a_stream_of_a_long_text(bundled: Path) -> None:
    with Model(bundled) as model, Evaluator(model, 64) as evaluator:
        tokens = [model.start_token, *model.tokenize(TEXT)]
        wanted = Wanted(no_sets(model))
        scorer = Scorer(evaluator, 16, wanted)
        whole = scorer.score(TEXT).places
        pieces = list(stream_places(evaluator, iter(tokens), 16, wanted))
        assert [token for part, _ in pieces for token in part] == tokens[1:]
        joined = Places(
            *(np.concatenate(part) for part in zip(*(p for _, p in pieces), strict=True))
        )
        assert whole
        for part, other in zip(joined, whole, strict=True):
            assert part.tolist() == other.tolist()
        assert joined.contexts.max() == 63
        assert joined.contexts[63:].min() == 48  # the window that begins there has 16 new tokens
        for done in (1, 63, 64, 100, len(tokens) - 2):
            rest = list(stream_places(evaluator, iter(tokens), 16, wanted, done))
            assert [token for part, _ in rest for token in part] == tokens[done + 1 :]
            logprobs = np.concatenate([places.logprobs for _, places in rest])
            assert logprobs.tolist() == joined.logprobs[done:].tolist()
