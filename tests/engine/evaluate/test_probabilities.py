"""Log-probabilities beside their definitions in 64-bit floats."""

import signal
import sys
import time
from threading import Thread
from types import FrameType

import numpy as np
import pytest

from distilgpt2_cli.engine.evaluate import probabilities
from distilgpt2_cli.engine.evaluate.probabilities import (
    divergence,
    log_softmax,
    logprobs_of,
    ranked_logprobs_of,
)
from distilgpt2_cli.engine.llama import interrupts
from distilgpt2_cli.engine.llama.cores import usable_cores
from distilgpt2_cli.errors import NotANumberError


def exact(rows: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    return np.asarray(wide - np.log(np.exp(wide).sum(axis=1, keepdims=True)))


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_of_targets(count: int) -> None:
    random = np.random.default_rng(count)
    rows = random.normal(0, 5, (count, 5000)).astype(np.float32)
    before = rows.copy()
    targets = random.integers(0, 5000, count).tolist()
    expected = exact(rows)[np.arange(count), targets]
    np.testing.assert_allclose(logprobs_of(rows, targets), expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(log_softmax(rows), exact(rows), rtol=2e-6, atol=5e-6)
    assert np.array_equal(rows, before)


def test_logits_far_apart() -> None:
    rows = np.array([[0, -1e4, 200, -np.inf]], np.float32)
    assert logprobs_of(rows, [2]).tolist() == [0]
    assert logprobs_of(rows, [0]).tolist() == [-200]
    assert logprobs_of(rows, [3]).tolist() == [-np.inf]


def test_divergence() -> None:
    random = np.random.default_rng(0)
    reference = random.normal(0, 3, (20, 1000)).astype(np.float32)
    other = reference + random.normal(0, 0.5, reference.shape).astype(np.float32)
    p, q = exact(reference), exact(other)
    targets = random.integers(0, 1000, 20).tolist()
    found = divergence(reference, other, targets)
    np.testing.assert_allclose(
        found.kullback_leibler, (np.exp(p) * (p - q)).sum(axis=1), rtol=1e-4, atol=1e-6
    )
    assert found.same_top.tolist() == (p.argmax(axis=1) == q.argmax(axis=1)).tolist()
    places = np.arange(20), targets
    np.testing.assert_allclose(found.delta_p, (np.exp(q) - np.exp(p))[places], rtol=1e-3)
    assert found.logprobs.tolist() == logprobs_of(other, targets).tolist()
    assert found.reference_logprobs.tolist() == logprobs_of(reference, targets).tolist()
    same = divergence(reference, reference, targets)
    assert same.delta_p.tolist() == [0] * 20
    assert same.kullback_leibler.max() == 0
    assert same.same_top.all()


def test_a_divergence_that_is_not_a_number() -> None:
    rows = np.zeros((2, 5), np.float32)
    broken = rows.copy()
    broken[1, 3] = np.nan
    for pair in ((rows, broken), (broken, rows)):
        with pytest.raises(NotANumberError):
            divergence(*pair, [0, 0])


def test_the_most_likely_tokens_beside_the_chosen_ones() -> None:
    rows = np.random.default_rng(1).normal(0, 30, (37, 300)).astype(np.float32)
    rows[3, 7] = rows[3, 9] = 200  # of two that are equally likely, the first one comes first
    targets = rows.argmax(axis=1).tolist()
    before = rows.copy()
    ranked = ranked_logprobs_of(rows, targets, 5)
    assert (rows == before).all()
    expected = np.argsort(-rows, axis=1, kind="stable")[:, :5]
    assert (ranked.top_ids == expected).all()
    assert (ranked.targets == ranked.top[:, 0]).all()  # to the bit
    assert (ranked.targets == logprobs_of(rows, targets)).all()
    logprobs = log_softmax(rows.astype(np.float64))
    np.testing.assert_allclose(
        ranked.top, np.take_along_axis(logprobs, expected, axis=1), rtol=2e-6, atol=1e-5
    )


@pytest.mark.skipif(usable_cores() == 1, reason="one core needs no thread")
def test_an_interrupt_leaves_no_thread_behind() -> None:
    """It would read rows that are freed meanwhile; the moment is when a thread has just begun."""
    running: list[slice] = []

    def work(block: slice) -> None:
        running.append(block)
        time.sleep(0.2)
        running.remove(block)

    def interrupt_once(frame: FrameType, event: str, _argument: object) -> None:
        if event == "return" and frame.f_code is Thread.start.__code__:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    def handler(_number: int, frame: FrameType | None) -> None:
        interrupts.interrupt(KeyboardInterrupt(), frame)

    before = signal.signal(signal.SIGINT, handler)
    sys.setprofile(interrupt_once)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(probabilities._in_blocks(work, 100))
        assert running == []
    finally:
        sys.setprofile(None)
        signal.signal(signal.SIGINT, before)
