"""How a model's predictions differ from a reference's, over the tokens of long texts.

The figures are those of the Kullback-Leibler divergence in llama.cpp's ``llama-perplexity``
(tools/perplexity/README.md in its repository). Standard errors are as if tokens were independent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .order_statistics import quantiles
from .probabilities import Logprobs, RowDivergences

FRACTIONS = {
    "maximum": 1.0,
    "p99_9": 0.999,
    "p99": 0.99,
    "p95": 0.95,
    "p90": 0.9,
    "p75": 0.75,
    "median": 0.5,
    "p25": 0.25,
    "p10": 0.1,
    "p5": 0.05,
    "p1": 0.01,
    "p0_1": 0.001,
    "minimum": 0.0,
}
"""The quantiles that are of interest, by the names that they have in results."""

_ERRORS = 2  # standard errors: about 95 % of a normal distribution
_VALUES = 2  # kept for each token: the divergence, and the change of its probability


class Estimate(NamedTuple):
    """A figure with its standard error, which is None for fewer than two tokens."""

    value: float
    standard_error: float | None


@dataclass(slots=True)
class Sums:
    """The sum of values, and that of their squares."""

    values: float = 0.0
    squares: float = 0.0

    def add(self, values: Logprobs) -> None:
        """Take more values into account."""
        self.values += float(values.sum())
        self.squares += float(np.square(values).sum())

    def include(self, other: "Sums") -> None:
        """Take what other sums have into account."""
        self.values += other.values
        self.squares += other.squares

    def mean(self, count: int) -> Estimate:
        """Return the mean of so many values, and its standard error."""
        mean = self.values / count
        if count < 2:
            return Estimate(mean, None)
        variance = max(self.squares / count - mean**2, 0.0)
        return Estimate(mean, math.sqrt(variance / (count - 1)))


@dataclass(slots=True)
class ReferenceComparison:
    """How a model's distributions differ from a reference's, over the tokens so far.

    Attributes:
        tokens: how many distributions were compared.
    """

    tokens: int = 0
    _same_top: int = field(default=0, repr=False)
    _divergence: Sums = field(default_factory=Sums, repr=False)
    _delta_p: Sums = field(default_factory=Sums, repr=False)
    _squared_delta_p: Sums = field(default_factory=Sums, repr=False)
    _own: Sums = field(default_factory=Sums, repr=False)  # nats by which a token is unexpected
    _reference: Sums = field(default_factory=Sums, repr=False)
    _difference: Sums = field(default_factory=Sums, repr=False)

    def add(self, more: RowDivergences) -> None:
        """Take more distributions into account."""
        self.tokens += len(more.kullback_leibler)
        self._same_top += int(more.same_top.sum())
        self._divergence.add(more.kullback_leibler)
        self._delta_p.add(more.delta_p)
        self._squared_delta_p.add(np.square(more.delta_p))
        self._own.add(-more.logprobs)
        self._reference.add(-more.reference_logprobs)
        self._difference.add(more.reference_logprobs - more.logprobs)

    def include(self, other: "ReferenceComparison") -> None:
        """Take what another comparison has into account."""
        self.tokens += other.tokens
        self._same_top += other._same_top
        self._divergence.include(other._divergence)
        self._delta_p.include(other._delta_p)
        self._squared_delta_p.include(other._squared_delta_p)
        self._own.include(other._own)
        self._reference.include(other._reference)
        self._difference.include(other._difference)

    @property
    def mean_divergence(self) -> float:
        """The Kullback-Leibler divergence from the reference, in nats, on average."""
        return self.divergence.value

    @property
    def top_agreement(self) -> float:
        """The part of the tokens at which both hold the same token for the likeliest."""
        return self._same_top / self.tokens

    @property
    def divergence(self) -> Estimate:
        """The mean Kullback-Leibler divergence from the reference, in nats."""
        return self._divergence.mean(self.tokens)

    @property
    def same_top(self) -> Estimate:
        """`top_agreement`, with its standard error."""
        share = self.top_agreement
        if self.tokens < 2:
            return Estimate(share, None)
        return Estimate(share, math.sqrt(share * (1 - share) / (self.tokens - 1)))

    @property
    def delta_p(self) -> Estimate:
        """By how much the probability of the text's own token is higher than the reference's."""
        return self._delta_p.mean(self.tokens)

    @property
    def delta_p_rms(self) -> Estimate:
        """The root of the mean square of that change."""
        mean, error = self._squared_delta_p.mean(self.tokens)
        rms = math.sqrt(mean)
        return Estimate(rms, error / (2 * rms) if error is not None and rms else error)

    @property
    def reference_perplexity(self) -> Estimate:
        """The perplexity of the reference."""
        return _exponential(self._reference.mean(self.tokens))

    @property
    def log_ratio(self) -> Estimate:
        """The logarithm of the model's perplexity divided by the reference's, in nats.

        Its error is that of the mean of the differences, token by token, which equals
        ``var(Q) + var(reference) - 2 cov``.
        """
        return self._difference.mean(self.tokens)

    @property
    def can_be_told_apart(self) -> bool:
        """Whether the text shows that the model predicts worse than the reference.

        The logarithm of the ratio of the perplexities is what each token of this text costs; the
        mean divergence is what a token costs on average if the reference is right. Either shows a
        loss if it is above two standard errors of the former: a smaller one can't be seen in the
        perplexity of a text of this length.
        """
        value, error = self.log_ratio
        return error is not None and max(value, self.mean_divergence) > _ERRORS * error

    @property
    def ratio(self) -> Estimate:
        """The model's perplexity divided by the reference's."""
        return _exponential(self.log_ratio)

    @property
    def difference(self) -> Estimate:
        """The model's perplexity minus the reference's."""
        own, reference = _exponential(self._own.mean(self.tokens)), self.reference_perplexity
        value = own.value - reference.value
        covariance = self._covariance()
        if covariance is None or own.standard_error is None or reference.standard_error is None:
            return Estimate(value, None)
        variance = own.standard_error**2 + reference.standard_error**2
        variance -= 2 * own.value * reference.value * covariance
        return Estimate(value, math.sqrt(max(variance, 0.0)))

    @property
    def correlation(self) -> float | None:
        """That of the two mean log-probabilities, from -1 to 1; None where one does not vary."""
        covariance = self._covariance()
        own, reference = (each.mean(self.tokens)[1] for each in (self._own, self._reference))
        if covariance is None or not own or not reference:
            return None
        return covariance / (own * reference)

    def _covariance(self) -> float | None:
        """Return that of the means of both models' log-probabilities, by the cosine rule."""
        errors = [
            each.mean(self.tokens).standard_error
            for each in (self._own, self._reference, self._difference)
        ]
        own, reference, difference = errors
        if own is None or reference is None or difference is None:
            return None
        return (own**2 + reference**2 - difference**2) / 2


def token_values(divergences: Sequence[RowDivergences]) -> bytes:
    """Return what `spread` needs of each token, as 32-bit floats, to be appended to a file."""
    return b"".join(
        np.stack([each.kullback_leibler, each.delta_p], axis=1).astype(np.float32).tobytes()
        for each in divergences
    )


class Spread(NamedTuple):
    """The quantiles of `FRACTIONS`, by their names.

    Attributes:
        divergence: of the Kullback-Leibler divergence of each token, in nats.
        delta_p: of the change of the probability of each of the text's own tokens.
    """

    divergence: dict[str, float]
    delta_p: dict[str, float]


def spread(files: Sequence[Path]) -> Spread:
    """Return the quantiles of the tokens whose values are in files; memory does not grow with them.

    Raises:
        OSError: a file can't be read.
    """
    fractions = list(FRACTIONS.values())
    found = (quantiles(files, column, _VALUES, fractions) for column in range(_VALUES))
    return Spread(*(dict(zip(FRACTIONS, values, strict=True)) for values in found))


def _exponential(logarithm: Estimate) -> Estimate:
    """Return the exponential of an estimate, with the error that the delta method gives it."""
    try:
        value = math.exp(logarithm.value)
    except OverflowError:
        value = math.inf
    error = logarithm.standard_error
    return Estimate(value, None if error is None else value * error)
