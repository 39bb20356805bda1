"""Quantiles of more values than memory holds."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint32]

_HALF = 2**16  # the values of half a key
_BLOCK = 2**18  # rows that are read at once


def quantiles(
    files: Sequence[Path], column: int, columns: int, fractions: Sequence[float]
) -> list[float]:
    """Return quantiles of a column of 32-bit floats, exactly, in memory that does not grow.

    Between two values a quantile is interpolated linearly (definition 7 of Hyndman and Fan, 1996,
    https://doi.org/10.2307/2684934), as in NumPy and in llama.cpp.

    Args:
        files: rows of floats in the machine's byte order, none of them NaN, at least one in all.
        column: which of the floats of a row, from 0.
        columns: how many a row has.
        fractions: from 0 for the smallest to 1 for the largest.

    Raises:
        OSError: a file can't be read.
    """
    count = sum(path.stat().st_size for path in files) // (4 * columns)
    places = [fraction * (count - 1) for fraction in fractions]
    ranks = sorted({rank for place in places for rank in (math.floor(place), math.ceil(place))})
    found = dict(zip(ranks, _at_ranks(_Column(files, column, columns), ranks), strict=True))
    return [
        found[math.floor(place)]
        + (place % 1) * (found[math.ceil(place)] - found[math.floor(place)])
        for place in places
    ]


class _Column:
    """A column as keys: unsigned numbers in the order of the floats that they stand for."""

    def __init__(self, files: Sequence[Path], column: int, columns: int) -> None:
        self._files = files
        self._column = column
        self._columns = columns

    def __iter__(self) -> Iterator[Keys]:
        for path in self._files:
            with path.open("rb") as file:
                while data := file.read(_BLOCK * 4 * self._columns):
                    rows = np.frombuffer(data, np.uint32).reshape(-1, self._columns)
                    yield _keys(rows[:, self._column])


def _at_ranks(column: _Column, ranks: Sequence[int]) -> list[float]:
    """Return the values of the given ranks, from 0, with a pass for each half of the keys."""
    counts = np.zeros(_HALF, np.int64)
    for keys in column:
        counts += np.bincount(keys >> 16, minlength=_HALF)
    ends = counts.cumsum()
    highs = np.searchsorted(ends, ranks, side="right")
    lower = {int(high): np.zeros(_HALF, np.int64) for high in highs}
    for keys in column:
        upper = keys >> 16
        for high, low_counts in lower.items():
            low_counts += np.bincount(keys[upper == high] & (_HALF - 1), minlength=_HALF)
    found = []
    for rank, high in zip(ranks, highs.tolist(), strict=True):
        within = rank - (ends[high] - counts[high])
        low = int(np.searchsorted(lower[high].cumsum(), within, side="right"))
        found.append(high << 16 | low)
    return _floats(np.array(found, np.uint32))


def _keys(bits: Keys) -> Keys:
    """Return keys for the bits of IEEE 754 floats: those of negative ones are in reverse order."""
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def _floats(keys: Keys) -> list[float]:
    bits = np.where(keys >> 31, keys & np.uint32(2**31 - 1), ~keys)
    return [float(value) for value in bits.astype(np.uint32).view(np.float32)]
