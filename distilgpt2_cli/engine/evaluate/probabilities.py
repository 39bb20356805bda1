"""Log-probabilities of tokens from logits, many rows at a time and in little memory."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import NotANumberError
from ..llama.cores import usable_cores

_BLOCK = 8  # rows that a thread has in work: a few MB, which the processor's cache holds

Rows = NDArray[np.float32]
Logprobs = NDArray[np.float64]
_Part = TypeVar("_Part")
_Logits = TypeVar("_Logits", Rows, Logprobs)


class RowDivergences(NamedTuple):
    """How one model's distributions differ from another's, a value for each row.

    Attributes:
        kullback_leibler: in nats, the expectation under the reference of the difference of the
            log-probabilities (Kullback and Leibler, 1951).
        same_top: whether both hold the same token for the most likely one.
    """

    kullback_leibler: Logprobs
    same_top: NDArray[np.bool_]


def log_softmax(rows: _Logits) -> _Logits:
    """Return the log-probabilities of all tokens in each row, or in the only one, in nats."""
    shifted: _Logits = rows - rows.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def logprobs_of(rows: Rows, targets: Sequence[int]) -> Logprobs:
    """Return the log-probability in nats that each row gives its target token.

    Raises:
        NotANumberError: the logits are NaN.
    """
    chosen = rows[np.arange(len(rows)), np.asarray(targets)].astype(np.float64)

    def of_block(block: slice) -> Logprobs:
        logits = rows[block]
        highest = logits.max(axis=1)
        shifted = logits - highest[:, None]
        np.exp(shifted, out=shifted)
        logprobs: Logprobs = chosen[block] - (highest + np.log(shifted.sum(axis=1)))
        return logprobs

    logprobs = np.concatenate(list(_in_blocks(of_block, len(rows))))
    if np.isnan(logprobs).any():
        raise NotANumberError
    return logprobs


def divergence(reference: Rows, other: Rows) -> RowDivergences:
    """Return how the distributions of ``other`` differ from those of ``reference``, row by row."""

    def of_block(block: slice) -> tuple[Logprobs, NDArray[np.bool_]]:
        expected, found = log_softmax(reference[block]), log_softmax(other[block])
        same_top = expected.argmax(axis=1) == found.argmax(axis=1)
        found -= expected
        np.exp(expected, out=expected)
        expected *= found
        # Rounding can make it a little less than 0, which it never is.
        return np.maximum(-expected.sum(axis=1, dtype=np.float64), 0), same_top

    blocks = list(_in_blocks(of_block, len(reference)))
    return RowDivergences(*(np.concatenate(part) for part in zip(*blocks, strict=True)))


def _in_blocks(function: Callable[[slice], _Part], count: int) -> Iterable[_Part]:
    """Call a function for each block of rows, on all cores; NumPy lets go of Python's lock."""
    blocks = [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]
    cores = usable_cores()
    if cores == 1 or len(blocks) == 1:
        return map(function, blocks)
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(function, blocks))
