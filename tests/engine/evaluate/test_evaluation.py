"""Whole texts: the same figures however they are cut, packed and asked for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Context, Evaluator, FeatureExtractor, Model, Scorer
from distilgpt2_cli.engine.evaluate import evaluator as evaluator_module
from distilgpt2_cli.errors import TextTooLongError, UsageError
from tests.support.gguf_tensors import Reader

TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. "
CLOSE = 0.04  # of the logits, which are about 10: what other ways to evaluate a text change


@pytest.fixture(scope="module")
def model(tiny: Path) -> Iterator[Model]:
    with Model(tiny) as model:
        yield model


def test_the_last_row_is_what_a_generation_samples_from(model: Model) -> None:
    tokens = model.tokenize(TEXT)
    with (
        Context(model) as plain,
        Context(model, flash_attention=True) as context,
        Evaluator(model) as evaluator,
    ):
        (rows,) = evaluator.logits(tokens, 1)
        context.evaluate(tokens)
        assert np.array_equal(rows[0], np.array(context.copy_logits()))
        plain.evaluate(tokens)
        np.testing.assert_allclose(rows[0], np.array(plain.copy_logits()), atol=CLOSE)


def test_rows_do_not_depend_on_how_many_are_wanted_or_threads_or_room(model: Model) -> None:
    tokens = model.tokenize(TEXT * 3)
    with Evaluator(model, threads=1) as evaluator:
        (every,) = (rows.copy() for rows in evaluator.logits(tokens, len(tokens)))
        assert every.shape == (len(tokens), model.vocabulary_size)
        (some,) = evaluator.logits(tokens, 7)
        assert np.array_equal(some, every[-7:])
    with Evaluator(model, len(tokens), threads=2) as evaluator:
        (again,) = evaluator.logits(tokens, len(tokens))
        assert np.array_equal(again, every)


def test_pieces(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text longer than one call takes: pieces of the physical batch's size change nothing."""
    tokens = model.tokenize(TEXT * 6)[:100]
    with Evaluator(model) as evaluator:
        (whole,) = (rows.copy() for rows in evaluator.logits(tokens, 60))
    monkeypatch.setattr(evaluator_module, "MAX_ROWS", 32)
    with Evaluator(model) as evaluator:
        pieces = [rows.copy() for rows in evaluator.logits(tokens, 60)]
    assert [len(piece) for piece in pieces] == [24, 32, 4]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=CLOSE)


def test_texts_at_once_are_close_to_each_by_itself(model: Model) -> None:
    texts = [model.tokenize(TEXT[start : start + 30]) for start in range(5)]
    skipped = [0, 1, 2, 0, 3]
    with Evaluator(model, sequences=5) as evaluator:
        together = evaluator.logits_of_many(texts, skipped).copy()
        again = evaluator.logits_of_many(texts, skipped)
        assert np.array_equal(together, again)
        alone = [
            next(evaluator.logits(text, len(text) - skip)).copy()
            for text, skip in zip(texts, skipped, strict=True)
        ]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=CLOSE)


def test_hidden_states_give_the_logits(model: Model, tiny: Path) -> None:
    """Through the output matrix, which is the definition of both."""
    (matrix,) = (tensor.data for tensor in Reader(tiny).tensors if tensor.name == "output.weight")
    tokens = model.tokenize(TEXT)
    with Evaluator(model, hidden_states=True) as states, Evaluator(model) as evaluator:
        (rows,) = evaluator.logits(tokens, len(tokens))
        found = states.hidden_states(tokens)
        assert found.shape == (len(tokens), model.width)
        np.testing.assert_allclose(found @ matrix.T, rows, atol=1e-4)


def test_hidden_states_of_many(model: Model) -> None:
    texts = [model.tokenize(TEXT[:length]) for length in (20, 1, 55)]
    with Evaluator(model, sequences=3, hidden_states=True) as evaluator:
        together = evaluator.hidden_states_of_many(texts)
        alone = [evaluator.hidden_states(text) for text in texts]
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=CLOSE)


def test_pools_and_splits(model: Model) -> None:
    long = TEXT * 15
    with Evaluator(model, hidden_states=True) as evaluator:
        tokens = model.tokenize(long)
        assert len(tokens) > 2 * evaluator.size
        with pytest.raises(TextTooLongError, match="context window 128"):
            FeatureExtractor(evaluator).tokens(long)
        extractor = FeatureExtractor(evaluator, overflow="split")
        (rows,) = extractor.extract([extractor.tokens(long)])
        assert rows.shape == (len(tokens), model.width)
        first = evaluator.hidden_states(tokens[: evaluator.size])
        assert np.array_equal(rows[: evaluator.size], first)
        (mean,) = FeatureExtractor(evaluator, "mean", "split").extract([tokens])
        (last,) = FeatureExtractor(evaluator, "last", "split").extract([tokens])
        assert mean.dtype == last.dtype == rows.dtype == np.float32
        np.testing.assert_allclose(mean, rows.astype(np.float64).mean(axis=0), rtol=1e-6, atol=1e-7)
        assert np.array_equal(last, rows[-1])
        overlapping = FeatureExtractor(evaluator, overflow="overlap")
        for count in (1, 127, 128, 129, 192, 193, len(tokens)):
            (found,) = overlapping.extract([tokens[:count]])
            assert len(found) == count
            for start in range(0, max(count - 128, 0) + 64, 64):
                window = evaluator.hidden_states(tokens[start : min(start + 128, count)])
                new = slice(64 if start else 0, None)
                assert np.array_equal(found[start : start + 128][new], window[new])
        assert extractor.tokens("") == [model.start_token]


def test_a_score_is_the_sum_of_its_parts(model: Model) -> None:
    with Evaluator(model) as evaluator:
        scorer = Scorer(evaluator)
        whole = scorer.score("It was a time")
        assert len(whole.tokens) == len(whole.logprobs) == 4
        rest = scorer.score(" a time", "It was")
        assert rest.prefix_tokens == 2
        (rows,) = evaluator.logits([model.start_token, *whole.tokens], 5)
        wide = rows.astype(np.float64)
        expected = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(whole.logprobs, expected[np.arange(4), whole.tokens], rtol=1e-5)
        assert whole.logprob == pytest.approx(whole.logprobs.sum())
        assert whole.perplexity == pytest.approx(np.exp(-whole.logprobs.mean()))
        assert whole.bits_per_byte == pytest.approx(whole.surprisals.sum() / 13)
        with pytest.raises(UsageError, match="no text to score"):
            scorer.score("")


def test_a_text_over_the_window_is_scored_whole(model: Model) -> None:
    text = TEXT * 15
    with Evaluator(model) as evaluator:
        score = Scorer(evaluator).score(text)
        assert score.tokens == model.tokenize(text)
        assert len(score.logprobs) == len(score.tokens) > 2 * evaluator.size
        first = Scorer(evaluator).score(TEXT)
        np.testing.assert_allclose(
            score.logprobs[: len(first.tokens) - 1], first.logprobs[:-1], atol=CLOSE
        )


def test_texts_scored_together(model: Model) -> None:
    texts = [*(TEXT[start:] for start in range(0, 60, 6)), TEXT * 9, "a"]
    with Evaluator(model, sequences=len(texts)) as evaluator:
        scorer = Scorer(evaluator)
        together = list(scorer.score_together(map(scorer.tokens, texts)))
        alone = [scorer.score(text) for text in texts]
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.tokens == theirs.tokens
        np.testing.assert_allclose(ours.logprobs, theirs.logprobs, atol=CLOSE)
