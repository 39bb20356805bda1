"""Perplexities of long texts, and how far one model's distributions are from another's."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..llama.model import Model
from .comparing import ReferenceComparison
from .evaluator import Evaluator
from .probabilities import Logprobs, RowDivergences, divergence, logprobs_of
from .scoring import perplexity_of
from .windows import Window


@dataclass(slots=True)
class Perplexity:
    """Figures over the tokens that were scored so far.

    Attributes:
        tokens: how many they are.
        byte_count: the bytes that they stand for.
        read_bytes: the bytes of the text so far, scored or not.
        evaluated_tokens: the tokens of all windows, those scored and those before them.
        seconds: what the evaluation and the scoring took.
        comparison: with a reference, if there is one.
    """

    tokens: int = 0
    byte_count: int = 0
    read_bytes: int = 0
    evaluated_tokens: int = 0
    seconds: float = 0.0
    comparison: ReferenceComparison | None = None
    _sum: float = field(default=0.0, repr=False)
    _squares: float = field(default=0.0, repr=False)

    def add(self, logprobs: Logprobs) -> None:
        """Take more tokens into account."""
        self.tokens += len(logprobs)
        self._sum += float(logprobs.sum())
        self._squares += float(np.square(logprobs).sum())

    def include(self, other: "Perplexity") -> None:
        """Take the tokens of other figures into account, such as those of another text."""
        self.tokens += other.tokens
        self.byte_count += other.byte_count
        self.read_bytes += other.read_bytes
        self.evaluated_tokens += other.evaluated_tokens
        self.seconds += other.seconds
        self._sum += other._sum
        self._squares += other._squares
        if other.comparison:
            self.comparison = self.comparison or ReferenceComparison()
            self.comparison.include(other.comparison)

    @property
    def mean_logprob(self) -> float:
        """The average log-probability in nats."""
        return self._sum / self.tokens

    @property
    def value(self) -> float:
        """The perplexity, ``exp(-mean_logprob)``."""
        return perplexity_of(self.mean_logprob)

    @property
    def standard_error(self) -> float | None:
        """That of the perplexity, were the tokens independent draws; None for a single one.

        The standard error of the mean log-probability, times the perplexity (delta method).
        """
        if self.tokens < 2:
            return None
        variance = max(self._squares / self.tokens - self.mean_logprob**2, 0.0)
        return self.value * math.sqrt(variance / (self.tokens - 1))

    @property
    def bits_per_byte(self) -> float:
        """The information of the scored tokens in bits, by their bytes."""
        return -self._sum / math.log(2) / self.byte_count

    @property
    def tokens_per_second(self) -> float:
        """The speed, by the tokens evaluated."""
        return self.evaluated_tokens / self.seconds


class MeasuredWindow(NamedTuple):
    """A window that was scored.

    Attributes:
        figures: those of its tokens alone.
        divergences: those of the tokens in order, in pieces; empty without a reference.
    """

    figures: Perplexity
    divergences: list[RowDivergences]


def measure(
    evaluator: Evaluator, windows: Iterable[Window], reference: Evaluator | None = None
) -> Iterator[Perplexity]:
    """Score windows, and yield the figures so far after each; it is the same object always.

    With a ``reference``, which must have the same vocabulary, its distributions are compared
    token by token. The time that this takes is not counted.

    Raises:
        DistilError: llama.cpp can't evaluate a window.
    """
    result = Perplexity(comparison=ReferenceComparison() if reference else None)
    for window in measure_each(evaluator, windows, reference):
        result.include(window.figures)
        yield result


def measure_each(
    evaluator: Evaluator, windows: Iterable[Window], reference: Evaluator | None = None
) -> Iterator[MeasuredWindow]:
    """Score windows, and yield the figures of each alone; otherwise as `measure`.

    Raises:
        DistilError: llama.cpp can't evaluate a window.
    """
    sizes = _PieceSizes(evaluator.model)
    for window in windows:
        result = Perplexity(comparison=ReferenceComparison() if reference else None)
        found: list[RowDivergences] = []
        targets = list(window.tokens[-window.scored :])
        evaluated = window.tokens[:-1]
        expected = reference.logits(evaluated, window.scored) if reference else None
        start = time.perf_counter()
        for rows in evaluator.logits(evaluated, window.scored):
            scored = targets[: len(rows)]
            result.add(logprobs_of(rows, scored))
            result.seconds += time.perf_counter() - start
            if expected and result.comparison:
                found.append(divergence(next(expected), rows, scored))
                result.comparison.add(found[-1])
            del targets[: len(rows)]
            start = time.perf_counter()
        result.byte_count += sizes.total(window.tokens[-window.scored :])
        result.read_bytes += sizes.total(window.tokens[-window.new :])
        result.evaluated_tokens += len(evaluated)
        yield MeasuredWindow(result, found)


class _PieceSizes:
    """The number of bytes of each token, looked up once."""

    def __init__(self, model: Model) -> None:
        """Look up nothing yet."""
        self._model = model
        self._sizes: dict[int, int] = {}

    def total(self, tokens: Iterable[int]) -> int:
        """Return the bytes that tokens stand for."""
        sizes, piece = self._sizes, self._model.piece
        total = 0
        for token in tokens:
            size = sizes.get(token)
            if size is None:
                size = sizes[token] = len(piece(token))
            total += size
        return total
