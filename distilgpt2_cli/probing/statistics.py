"""The statistics of a probe, on arrays of numbers."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

LEVEL = 0.95
"""The confidence level of intervals."""

RESAMPLES = 1000
"""The number of bootstrap resamples."""

ALPHA_0 = 500.0
"""The weight of the prior of `log_odds`, in words."""

_Z = 1.959963984540054  # the standard normal distribution's quantile at (1 + LEVEL) / 2
_BLOCK = 2**20  # the most numbers that the bootstrap has in memory


class Interval(NamedTuple):
    """The ends of a confidence interval at `LEVEL`."""

    low: float
    high: float


class LogOdds(NamedTuple):
    """How much more a group uses words than another group, a value for each word.

    Attributes:
        difference: of the logarithms of the odds, in nats.
        z: the difference divided by its standard deviation.
    """

    difference: Numbers
    z: Numbers


class Counts(NamedTuple):
    """How often a group uses certain words.

    Attributes:
        words: the count of each word, in the last dimension.
        total: the count of all words, these and others.
    """

    words: Numbers
    total: Numbers | float


def jensen_shannon(first: Numbers, second: Numbers) -> float:
    """Return the divergence of two distributions in bits, from 0 (the same) to 1 (disjoint).

    That is the mean Kullback-Leibler divergence of each from the mixture of both in equal parts
    (Lin, 1991, https://doi.org/10.1109/18.61115, with equal weights).
    """
    mixture = (first + second) / 2
    possible = mixture > 0
    mixture = mixture[possible]
    # Written with the distance from the mixture: for distributions that are almost the same, the
    # difference of logarithms would be only rounding errors.
    distance = np.clip((first - second)[possible] / 2 / mixture, -1, 1)
    terms = _times_own_log(distance) + _times_own_log(-distance)
    bits = float((mixture * np.maximum(terms, 0)).sum()) / 2 / math.log(2)
    return min(bits, 1.0)


def _times_own_log(distance: Numbers) -> Numbers:
    """Return ``(1 + x) log(1 + x)``, which is 0 at -1."""
    logarithm = np.log1p(distance, where=distance > -1, out=np.zeros_like(distance))
    return (1 + distance) * logarithm


def log_odds(group: Counts, other: Counts, prior: Counts) -> LogOdds:
    """Return how over-represented words are in a group, below 0 where in the other one.

    This is the log-odds-ratio with an informative Dirichlet prior of Monroe, Colaresi and Quinn
    (2008, "Fightin' Words", https://doi.org/10.1093/pan/mpn018): with ``y`` the count of a word,
    ``n`` that of all words, and alpha and alpha_0 the same of the prior, the odds of a group are
    ``(y + alpha) / (n + alpha_0 - y - alpha)``, and the variance of the difference is about
    the sum of both groups' ``1 / (y + alpha)``.
    """
    in_group, in_other = group.words + prior.words, other.words + prior.words
    out_of_group = np.asarray(group.total + prior.total)[..., None] - in_group
    out_of_other = np.asarray(other.total + prior.total)[..., None] - in_other
    difference = np.log(in_group / out_of_group) - np.log(in_other / out_of_other)
    return LogOdds(difference, difference / np.sqrt(1 / in_group + 1 / in_other))


def prior_of(words: Numbers, total: float) -> Counts:
    """Return the prior that has words in the proportions of a background, `ALPHA_0` in all."""
    return Counts(words * (ALPHA_0 / total), ALPHA_0)


def resampled_sums(rows: Numbers, seed: int) -> Numbers:
    """Draw as many rows as there are, with replacement, and return their sum, `RESAMPLES` times.

    The same number of rows and the same seed draw the same rows (Efron, 1979,
    https://doi.org/10.1214/aos/1176344552).
    """
    count = len(rows)
    random = np.random.default_rng(seed)
    equal = np.full(count, 1 / count)
    step = max(_BLOCK // count, 1)
    parts = [
        random.multinomial(count, equal, size=min(step, RESAMPLES - start)).astype(np.float64)
        @ rows
        for start in range(0, RESAMPLES, step)
    ]
    return np.concatenate(parts)


def percentile_intervals(resampled: Numbers) -> list[Interval]:
    """Return an interval for each column of resampled figures: between their percentiles."""
    lows, highs = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [Interval(float(low), float(high)) for low, high in zip(lows, highs, strict=True)]


def wilson(successes: int, trials: int) -> Interval:
    """Return the score interval of a proportion (Wilson, 1927, https://doi.org/10.2307/2276774)."""
    share, z2 = successes / trials, _Z**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    # At a share of 0 or 1 that end is the share itself, but for rounding.
    low = 0.0 if successes == 0 else max(middle - half, 0.0)
    high = 1.0 if successes == trials else min(middle + half, 1.0)
    return Interval(low, high)
