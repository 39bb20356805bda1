"""Statistics against examples by hand, loops, and the properties that they must have."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilgpt2_cli.probing.statistics import (
    ALPHA_0,
    LEVEL,
    RESAMPLES,
    Counts,
    Numbers,
    jensen_shannon,
    log_odds,
    percentile_intervals,
    prior_of,
    resampled_sums,
    wilson,
)

weights = st.lists(st.one_of(st.just(0.0), st.floats(1e-12, 1.0)), min_size=2, max_size=20).filter(
    any
)
pairs_of_weights = st.integers(2, 20).flatmap(
    lambda size: st.tuples(
        *[
            st.lists(
                st.one_of(st.just(0.0), st.floats(1e-12, 1.0)), min_size=size, max_size=size
            ).filter(any)
        ]
        * 2
    )
)


def distribution(values: list[float]) -> Numbers:
    array: Numbers = np.array(values) / sum(values)
    return array


def entropy(probabilities: list[float]) -> float:
    return -sum(each * math.log2(each) for each in probabilities if each > 0)


@pytest.mark.parametrize(
    ("first", "second", "bits"),
    [
        ([1, 0], [0, 1], 1.0),
        ([0.5, 0.5], [0.5, 0.5], 0.0),
        # H(3/4, 1/4) - (H(1, 0) + H(1/2, 1/2)) / 2
        ([1, 0], [0.5, 0.5], 2 - 0.75 * math.log2(3) - 0.5),
        ([0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], 0.5),
    ],
)
def test_divergence_by_hand(first: list[float], second: list[float], bits: float) -> None:
    found = jensen_shannon(np.array(first, float), np.array(second, float))
    assert found == pytest.approx(bits, abs=1e-15)


@given(pairs_of_weights)
def test_divergence_has_its_properties(both: tuple[list[float], list[float]]) -> None:
    first, second = map(distribution, both)
    found = jensen_shannon(first, second)
    assert found == jensen_shannon(second, first)
    assert 0 <= found <= 1
    mixture = ((first + second) / 2).tolist()
    by_entropies = entropy(mixture) - (entropy(first.tolist()) + entropy(second.tolist())) / 2
    assert found == pytest.approx(by_entropies, abs=1e-12)
    # Pinsker's inequality, so that it is 0 for the same distributions only.
    distance = float(np.abs(first - second).sum())
    assert found >= distance**2 / 8 / math.log(2) * (1 - 1e-6) - 1e-18
    assert found <= distance / 2 + 1e-12


@given(weights)
def test_a_distribution_does_not_differ_from_itself(values: list[float]) -> None:
    assert jensen_shannon(distribution(values), distribution(values)) == 0


def test_a_small_divergence_is_not_rounding() -> None:
    first = np.array([0.5 + 1e-7, 0.5 - 1e-7])
    second = np.array([0.5 - 1e-7, 0.5 + 1e-7])
    # x²/2 of each side of the mixture, in bits, for distances of x = 2e-7 of it
    assert jensen_shannon(first, second) == pytest.approx((2e-7) ** 2 / 2 / math.log(2), rel=1e-6)


def test_log_odds_by_hand() -> None:
    prior = Counts(np.array([2.0]), 10)
    found = log_odds(Counts(np.array([3.0]), 10), Counts(np.array([1.0]), 10), prior)
    # (3 + 2) / (10 + 10 - 5) against (1 + 2) / (10 + 10 - 3)
    expected = math.log((5 / 15) / (3 / 17))
    assert found.difference[0] == pytest.approx(expected)
    assert found.z[0] == pytest.approx(expected / math.sqrt(1 / 5 + 1 / 3))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12))
def test_log_odds_as_a_loop(times: list[tuple[int, int]]) -> None:
    times = [(first + 1, second) for first, second in times]  # no word that never occurs
    own = np.array([first for first, _ in times], float)
    other = np.array([second for _, second in times], float)
    total = own.sum() + other.sum()
    prior = prior_of(own + other, float(total))
    found = log_odds(Counts(own, float(own.sum())), Counts(other, float(other.sum())), prior)
    back = log_odds(Counts(other, float(other.sum())), Counts(own, float(own.sum())), prior)
    assert found.z.tolist() == pytest.approx((-back.z).tolist())
    for place, (first, second) in enumerate(times):
        alpha = ALPHA_0 * (first + second) / total
        a, b = first + alpha, second + alpha
        odds = a / (own.sum() + ALPHA_0 - a) / (b / (other.sum() + ALPHA_0 - b))
        assert found.difference[place] == pytest.approx(math.log(odds), abs=1e-9)
        z = math.log(odds) / math.sqrt(1 / a + 1 / b)
        assert found.z[place] == pytest.approx(z, abs=1e-9)


def test_resamples_as_a_loop() -> None:
    rows = np.random.default_rng(1).normal(size=(7, 3))
    random = np.random.default_rng(42)
    for sums in resampled_sums(rows, 42):
        times = random.multinomial(len(rows), [1 / 7] * 7)
        drawn = [row for row, count in zip(rows.tolist(), times, strict=True) for _ in range(count)]
        assert len(drawn) == len(rows)
        assert sums.tolist() == pytest.approx([sum(column) for column in zip(*drawn, strict=True)])


def test_resamples_are_the_same_in_blocks_and_have_the_known_error() -> None:
    values = np.random.default_rng(2).normal(size=(5000, 1))
    found = resampled_sums(values, 7)  # more numbers than one block
    assert found.shape == (RESAMPLES, 1)
    assert np.array_equal(found, resampled_sums(values, 7))
    assert not np.array_equal(found, resampled_sums(values, 8))
    means = found / len(values)
    assert means.std() == pytest.approx(values.std() / math.sqrt(len(values)), rel=0.1)
    ((low, high),) = percentile_intervals(means)
    inside = ((means >= low) & (means <= high)).mean()
    assert inside == pytest.approx(LEVEL, abs=2 / RESAMPLES)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_its_equation(counts: tuple[int, int]) -> None:
    successes, trials = counts
    share = successes / trials
    low, high = wilson(successes, trials)
    assert 0 <= low <= share <= high <= 1
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    for end in {low, high} - {0.0, 1.0}:
        assert abs(share - end) == pytest.approx(z * math.sqrt(end * (1 - end) / trials), rel=1e-6)


def test_wilson_in_the_literature() -> None:
    # Newcombe (1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E),
    # table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0000, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
