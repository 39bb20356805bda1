"""The surprisal of words, beside its definition with exact probabilities."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from distilgpt2_cli.engine import Evaluator, Model, Scorer
from distilgpt2_cli.engine.evaluate.probabilities import log_softmax
from distilgpt2_cli.engine.evaluate.words import Part, Span, Word, WordScorer, words_in

TEXTS = [
    "The old man the boat.",
    " Two  spaces, and a tab\tor a line\n\nend. ",
    "Naïve frogs sang “東京 🌧” unbelievably\u3000loudly\u00a0today",
    "x",
]


@pytest.fixture(scope="module")
def evaluator(bundled: Path) -> Iterator[Evaluator]:
    with Model(bundled) as model, Evaluator(model) as evaluator:
        yield evaluator


@pytest.fixture(scope="module")
def scorers(evaluator: Evaluator) -> tuple[WordScorer, WordScorer]:
    """One with the ends of words and one without; each looks at the whole vocabulary first."""
    return WordScorer(evaluator.model), WordScorer(evaluator.model, plain=True)


def found(evaluator: Evaluator, words: WordScorer, text: str, spans: list[Span]) -> list[Word]:
    score = Scorer(evaluator, wanted=words.wanted).score(text)
    assert score.places
    return words.words(text, spans, Part(score.tokens, score.places, goes_on=False))


def begins_with(model: Model, white: str) -> NDArray[np.bool_]:
    pieces = [model.piece(token) for token in range(model.vocabulary_size)]
    firsts = [piece.decode(errors="ignore")[:1] for piece in pieces]
    return np.array([first != "" and first in white for first in firsts])


@pytest.mark.parametrize("text", TEXTS)
def test_words_beside_their_definition(
    evaluator: Evaluator, scorers: tuple[WordScorer, WordScorer], text: str
) -> None:
    model = evaluator.model
    spans = words_in(text)
    assert [text[span.start : span.end] for span in spans] == text.split()
    tokens = model.tokenize_bytes(text.encode())
    (rows,) = evaluator.logits([model.start_token, *tokens], len(tokens) + 1)
    logprobs = log_softmax(rows.astype(np.float64))
    spaces = begins_with(model, " ")
    white = begins_with(model, " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u2002\u2003\u3000")

    def ends_before(place: int) -> float:
        if place == 0:
            return 0.0
        is_last = place == len(tokens)
        if is_last or spaces[tokens[place]]:
            return float(np.logaddexp.reduce(logprobs[place, spaces]))
        return float(np.logaddexp.reduce(logprobs[place, white])) if white[tokens[place]] else 0.0

    pieces = [model.piece(token) for token in tokens]
    assert b"".join(pieces).decode() == text
    starts = np.cumsum([0, *map(len, pieces)])  # in bytes
    firsts = [0] + [
        int(np.searchsorted(starts[:-1], len(text[: span.end].encode()))) for span in spans
    ]
    for plain, scorer in enumerate(scorers):
        words = found(evaluator, scorer, text, spans)
        for word, (first, after) in zip(words, pairwise(firsts), strict=True):
            expected = sum(logprobs[place, tokens[place]] for place in range(first, after))
            if not plain:
                expected += ends_before(after) - ends_before(first)
            assert word.tokens == after - first
            if word.logprob is None:
                assert first == after
                continue
            assert word.logprob == pytest.approx(expected, abs=2e-4)
            assert word.logprob <= 1e-4
            order = np.argsort(-logprobs[first], kind="stable").tolist()
            assert word.rank == order.index(tokens[first]) + 1
            row = logprobs[first]
            assert word.entropy == pytest.approx(-(np.exp(row) * row).sum(), abs=1e-3)
            assert word.context == first + 1


def test_probabilities_of_the_next_words_add_up_to_one_at_most(
    evaluator: Evaluator, scorers: tuple[WordScorer, WordScorer]
) -> None:
    """Those of the plain sum, to what is left of it for the end of the word before them."""
    model = evaluator.model
    prefix = "Once upon a time"
    starts = [
        token
        for token in range(model.vocabulary_size)
        if (piece := model.piece(token)).startswith(b" ") and piece[1:].isalpha()
    ]
    tokens = model.tokenize(prefix)
    (row,) = evaluator.logits([model.start_token, *tokens], 1)
    logprobs = log_softmax(row[0].astype(np.float64))
    likely = sorted(starts, key=lambda token: -logprobs[token])[:40]
    totals = [0.0, 0.0]
    for token in likely:
        text = prefix + model.piece(token).decode()
        for plain, scorer in enumerate(scorers):
            word = found(evaluator, scorer, text, words_in(text))[-1]
            totals[plain] += np.exp(word.logprob or 0)
    assert 0.9 < totals[0] <= 1
    assert totals[1] <= np.exp(logprobs[begins_with(model, " ")]).sum() < 0.2


def test_regions_that_cut_tokens(
    evaluator: Evaluator, scorers: tuple[WordScorer, WordScorer]
) -> None:
    text = "unbelievable frogs"
    tokens = [evaluator.model.piece(token) for token in evaluator.model.tokenize(text)]
    spans = [Span(0, 1), Span(1, len(tokens[0].decode())), Span(len(tokens[0].decode()), 18)]
    words, plain = (found(evaluator, scorer, text, spans) for scorer in scorers)
    assert words[0].tokens == 1
    assert words[1] == Word(0)
    assert words[2].tokens == len(tokens) - 1
    whole = Scorer(evaluator).score(text)
    assert sum(word.logprob or 0 for word in plain) == pytest.approx(whole.logprob)


def test_parts_of_a_text_add_up(
    evaluator: Evaluator, scorers: tuple[WordScorer, WordScorer]
) -> None:
    """A text that is cut before any of its words has the same words."""
    text = TEXTS[1] + TEXTS[0]
    words, _ = scorers
    score = Scorer(evaluator, wanted=words.wanted).score(text)
    assert score.places
    whole = words.words(text, words_in(text), Part(score.tokens, score.places, goes_on=False))
    pieces = [evaluator.model.piece(token) for token in score.tokens]
    cuts = [
        place
        for place in range(1, len(pieces))
        if pieces[place][:1].isspace() and not pieces[place - 1][-1:].isspace()
    ]
    assert len(cuts) > 8
    for cut in cuts:
        first, rest = b"".join(pieces[:cut]).decode(), b"".join(pieces[cut:]).decode()
        parts = [
            (
                first,
                Part(score.tokens[:cut], score.places.at(slice(cut + 1)), False, score.tokens[cut]),
            ),
            (rest, Part(score.tokens[cut:], score.places.at(slice(cut, None)), True)),
        ]
        together = [
            word for text, part in parts for word in words.words(text, words_in(text), part)
        ]
        for one, other in zip(together, whole, strict=True):
            assert one.logprob == pytest.approx(other.logprob)
            assert one[:1] + one[2:] == other[:1] + other[2:]
