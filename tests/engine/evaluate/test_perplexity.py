"""Perplexities of long texts, beside sums over the scores of their windows."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Evaluator, Model, Perplexity, disjoint, measure, sliding
from tests.support import gguf

TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. " * 15


@pytest.fixture(scope="module")
def evaluator(tiny: Path) -> Iterator[Evaluator]:
    with Model(tiny) as model, Evaluator(model) as evaluator:
        yield evaluator


def naive(evaluator: Evaluator, tokens: list[int], size: int, stride: int) -> list[float]:
    """Score every token with a window of its own, in 64-bit floats."""
    logprobs = []
    seen = 0
    for begin in range(0, len(tokens), stride):
        end = min(begin + size, len(tokens))
        window = tokens[begin:end]
        (rows,) = evaluator.logits(window, len(window))
        wide = rows.astype(np.float64)
        for position in range(max(seen, begin + 1), end):
            row = wide[position - begin - 1]
            logprobs.append(float(row[tokens[position]] - np.log(np.exp(row).sum())))
        seen = end
        if end == len(tokens):
            break
    return logprobs


def last(found: Iterator[Perplexity]) -> Perplexity:
    *_, figures = found
    return figures


@pytest.mark.parametrize(("size", "stride"), [(128, 64), (128, 128), (100, 30), (50, 1)])
def test_sliding_windows(evaluator: Evaluator, size: int, stride: int) -> None:
    tokens = evaluator.model.tokenize(TEXT)[:150]
    figures = last(measure(evaluator, sliding(tokens, size, stride)))
    expected = naive(evaluator, tokens, size, stride)
    assert figures.tokens == len(expected)
    # A window's last token need not be evaluated, and shapes change the last digits.
    assert figures.mean_logprob == pytest.approx(float(np.mean(expected)), rel=1e-5)
    assert figures.value == pytest.approx(math.exp(-np.mean(expected)), rel=1e-4)
    error = np.std(expected, ddof=1) / math.sqrt(len(expected)) * figures.value
    assert figures.standard_error == pytest.approx(error, rel=1e-4)
    scored = len(expected)
    if stride < size:
        pieces = b"".join(map(evaluator.model.piece, tokens[-scored:]))
        assert figures.byte_count == len(pieces)
        bits = -np.sum(expected) / math.log(2) / len(pieces)
        assert figures.bits_per_byte == pytest.approx(bits, rel=1e-5)
    assert figures.read_bytes == len(b"".join(map(evaluator.model.piece, tokens)))


def test_the_method_of_llama_cpp(evaluator: Evaluator) -> None:
    tokens = evaluator.model.tokenize(TEXT)[:150]
    figures = last(measure(evaluator, disjoint(tokens, 64, None)))
    expected = []
    for start in (0, 64):
        (rows,) = evaluator.logits(tokens[start : start + 64], 64)
        wide = rows.astype(np.float64)
        for position in range(33, 64):  # as tools/perplexity/perplexity.cpp: first = n_ctx / 2
            row = wide[position - 1]
            expected.append(row[tokens[start + position]] - np.log(np.exp(row).sum()))
    assert figures.tokens == len(expected) == 62
    assert figures.mean_logprob == pytest.approx(np.mean(expected), rel=1e-4)


def test_a_running_figure_after_each_window(evaluator: Evaluator) -> None:
    tokens = evaluator.model.tokenize(TEXT)[:150]
    counts = [figures.tokens for figures in measure(evaluator, sliding(tokens, 50, 25))]
    assert counts == [49, 74, 99, 124, 149]


def test_a_comparison(evaluator: Evaluator, tmp_path: Path) -> None:
    tokens = evaluator.model.tokenize(TEXT)[:120]
    shape = gguf.Shape(tokens=evaluator.model.vocabulary_size)
    with Model(gguf.write(tmp_path / "q.gguf", shape, quantization="Q4_0")) as model:
        assert model.shares_vocabulary(evaluator.model)
        with Evaluator(model) as other:
            windows = list(sliding(tokens, 64, 32))
            figures = last(measure(other, iter(windows), evaluator))
            alone = last(measure(other, iter(windows)))
            assert figures.mean_logprob == alone.mean_logprob
            assert figures.comparison
            assert alone.comparison is None
            expected, same = [], []
            for window in windows:
                (ours,) = other.logits(window.tokens[:-1], window.scored)
                (theirs,) = evaluator.logits(window.tokens[:-1], window.scored)
                q, p = (
                    rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
                    for rows in (ours.astype(np.float64), theirs.astype(np.float64))
                )
                expected += (np.exp(p) * (p - q)).sum(axis=1).tolist()
                same += (p.argmax(axis=1) == q.argmax(axis=1)).tolist()
            assert figures.comparison.mean_divergence == pytest.approx(np.mean(expected), rel=1e-4)
            assert figures.comparison.top_agreement == np.mean(same)
    itself = last(measure(evaluator, iter(windows), evaluator))
    assert itself.comparison
    assert itself.comparison.top_agreement == 1
