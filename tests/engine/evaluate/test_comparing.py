"""Figures of a comparison, beside the same ones in plain NumPy; quantiles beside NumPy's."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import ReferenceComparison
from distilgpt2_cli.engine.evaluate.comparing import FRACTIONS, spread, token_values
from distilgpt2_cli.engine.evaluate.order_statistics import quantiles
from distilgpt2_cli.engine.evaluate.probabilities import divergence

TOKENS, VOCABULARY = 200, 300


@pytest.fixture(name="pair", scope="module")
def logits_and_targets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    reference = random.normal(0, 3, (TOKENS, VOCABULARY)).astype(np.float32)
    other = reference + random.normal(0, 0.5, reference.shape).astype(np.float32)
    return reference, other, random.integers(0, VOCABULARY, TOKENS)


def exact(rows: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    return np.asarray(wide - np.log(np.exp(wide).sum(axis=1, keepdims=True)))


def error_of_mean(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def compared(
    reference: np.ndarray, other: np.ndarray, targets: np.ndarray, cut: int
) -> tuple[ReferenceComparison, bytes]:
    """Compare in two parts, one included in the other."""
    parts = []
    found = ReferenceComparison()
    for part in (slice(0, cut), slice(cut, None)):
        parts.append(divergence(reference[part], other[part], targets[part].tolist()))
        one = ReferenceComparison()
        one.add(parts[-1])
        found.include(one)
    return found, token_values(parts)


def test_every_figure(pair: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    reference, other, targets = pair
    found, values = compared(reference, other, targets, 70)
    p, q = exact(reference), exact(other)
    places = np.arange(TOKENS), targets
    own, base = -q[places], -p[places]
    divergences = (np.exp(p) * (p - q)).sum(axis=1)
    changes = np.exp(-own) - np.exp(-base)
    squares = changes**2
    rms = math.sqrt(squares.mean())
    same = p.argmax(axis=1) == q.argmax(axis=1)
    covariance = np.cov(own, base)[0, 1] / TOKENS
    ratio = math.exp(own.mean() - base.mean())
    perplexities = math.exp(own.mean()), math.exp(base.mean())
    errors = [value * error_of_mean(x) for value, x in zip(perplexities, (own, base), strict=True)]
    variance = errors[0] ** 2 + errors[1] ** 2 - 2 * math.prod(perplexities) * covariance
    expected = {
        "divergence": (divergences.mean(), error_of_mean(divergences)),
        "delta_p": (changes.mean(), error_of_mean(changes)),
        "delta_p_rms": (rms, error_of_mean(squares) / (2 * rms)),
        "same_top": (same.mean(), error_of_mean(same)),
        "reference_perplexity": (perplexities[1], errors[1]),
        "log_ratio": (math.log(ratio), error_of_mean(own - base)),
        "ratio": (ratio, ratio * error_of_mean(own - base)),
        "difference": (perplexities[0] - perplexities[1], math.sqrt(variance)),
    }
    for name, figures in expected.items():
        assert tuple(getattr(found, name)) == pytest.approx(figures, rel=2e-3, abs=1e-6), name
    assert found.correlation == pytest.approx(np.corrcoef(own, base)[0, 1], rel=1e-4)
    assert found.tokens == TOKENS
    files = [tmp_path / "0", tmp_path / "1"]
    files[0].write_bytes(values[:160])
    files[1].write_bytes(values[160:])
    shown = spread(files)
    for name, fraction in FRACTIONS.items():
        expected_values = np.quantile(divergences, fraction), np.quantile(changes, fraction)
        assert shown.divergence[name] == pytest.approx(expected_values[0], rel=1e-3), name
        assert shown.delta_p[name] == pytest.approx(expected_values[1], rel=1e-3, abs=1e-6), name


def test_a_model_and_itself(pair: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    reference, _, targets = pair
    found, _ = compared(reference, reference, targets, 1)
    assert found.divergence == (0, 0)
    assert found.log_ratio == (0, 0)
    assert found.ratio == (1, 0)
    assert found.delta_p_rms == (0, 0)
    assert found.same_top == (1, 0)
    assert found.correlation == pytest.approx(1)


def test_a_single_token(pair: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    reference, other, targets = pair
    found = ReferenceComparison()
    found.add(divergence(reference[:1], other[:1], targets[:1].tolist()))
    estimates = (found.divergence, found.ratio, found.difference, found.same_top, found.delta_p_rms)
    assert [each.standard_error for each in estimates] == [None] * 5
    assert found.correlation is None


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 300_000])
def test_quantiles(tmp_path: Path, count: int) -> None:
    random = np.random.default_rng(count)
    rows = np.stack(
        [random.normal(0, 1, count), random.lognormal(-8, 3, count), np.round(random.normal(0, 2))
         * np.ones(count)], axis=1
    ).astype(np.float32)  # fmt: skip
    if count > 2:
        rows[:3, 0] = 0.0, -0.0, -1e-42
    cut = count // 3
    files = [tmp_path / name for name in "abc"]
    for path, part in zip(files, (rows[:cut], rows[:0], rows[cut:]), strict=True):
        path.write_bytes(part.tobytes())
    fractions = [0, 0.001, 0.1, 0.3333, 0.5, 0.9, 0.999, 1]
    for column in range(3):
        expected = np.quantile(rows[:, column].astype(np.float64), fractions)
        assert quantiles(files, column, 3, fractions) == pytest.approx(expected, rel=1e-12)


def test_the_memory_of_quantiles_does_not_grow(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(0, 1, (2**18, 2)).astype(np.float32).tobytes()
    path, peaks = tmp_path / "values", []
    for blocks in (2, 6):
        path.write_bytes(rows * blocks)
        tracemalloc.start()
        quantiles([path], 0, 2, list(FRACTIONS.values()))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]
