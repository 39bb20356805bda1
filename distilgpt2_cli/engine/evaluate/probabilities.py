"""Log-probabilities of tokens from logits, many rows at a time and in little memory."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import NotANumberError
from ..llama.cores import usable_cores
from ..llama.interrupts import held_back

_BLOCK = 8  # rows that a thread has in work: a few MB, which the processor's cache holds

Rows = NDArray[np.float32]
Logprobs = NDArray[np.float64]
_NEVER = np.float32(-1e30)  # in place of minus infinity, whose product with 0 is not a number
_Part = TypeVar("_Part")
_Logits = TypeVar("_Logits", Rows, Logprobs)


class RowDivergences(NamedTuple):
    """How one model's distributions differ from another's, a value for each row.

    Attributes:
        kullback_leibler: in nats, the expectation under the reference of the difference of the
            log-probabilities (Kullback and Leibler, 1951).
        same_top: whether both hold the same token for the most likely one.
        logprobs: of the token that stands in the text, in nats.
        reference_logprobs: the reference's of the same token.
    """

    kullback_leibler: Logprobs
    same_top: NDArray[np.bool_]
    logprobs: Logprobs
    reference_logprobs: Logprobs

    @property
    def delta_p(self) -> Logprobs:
        """By how much the token in the text is more probable than for the reference."""
        difference: Logprobs = np.exp(self.logprobs) - np.exp(self.reference_logprobs)
        return difference


class TokenStatistics(NamedTuple):
    """What the distribution at each place says of the token that stands there.

    Attributes:
        logprobs: of the token, in nats.
        ranks: its place among all tokens by their probability, from 1; of equally likely ones, the
            one with the lower number comes first.
        entropies: of the whole distribution, in nats (Shannon, 1948).
        shares: the log-probability of each set of tokens in nats: places by sets.
        top_ids: the tokens that are most likely there, the likeliest first.
        top: their log-probabilities in nats.
    """

    logprobs: Logprobs
    ranks: NDArray[np.int64]
    entropies: Logprobs
    shares: Logprobs
    top_ids: NDArray[np.int64]
    top: Logprobs


class RankedLogprobs(NamedTuple):
    """Log-probabilities in nats, a row for each place in a text.

    Attributes:
        targets: of the token that stands there.
        top_ids: the tokens that are most likely there, the likeliest first.
        top: of those.
    """

    targets: Logprobs
    top_ids: NDArray[np.int64]
    top: Logprobs


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
    return ranked_logprobs_of(rows, targets, 0).targets


def ranked_logprobs_of(rows: Rows, targets: Sequence[int], count: int) -> RankedLogprobs:
    """Return the same, and in each row the ``count`` most likely tokens.

    Raises:
        NotANumberError: the logits are NaN.
    """
    chosen = rows[np.arange(len(rows)), np.asarray(targets)].astype(np.float64)

    def of_block(block: slice) -> RankedLogprobs:
        logits = rows[block]
        highest = logits.max(axis=1)
        shifted = logits - highest[:, None]
        np.exp(shifted, out=shifted)
        normalizers = highest + np.log(shifted.sum(axis=1))
        top_ids = _most_likely(logits, count)
        top_logits = np.take_along_axis(logits, top_ids, axis=1).astype(np.float64)
        return RankedLogprobs(
            chosen[block] - normalizers, top_ids, top_logits - normalizers[:, None]
        )

    blocks = list(_in_blocks(of_block, len(rows)))
    ranked = RankedLogprobs(*(np.concatenate(part) for part in zip(*blocks, strict=True)))
    if np.isnan(ranked.targets).any():
        raise NotANumberError
    return ranked


def statistics_of(
    rows: Rows, targets: Sequence[int], sets: Rows, count: int = 0
) -> TokenStatistics:
    """Return what each row says of its target token.

    Args:
        rows: logits, places by tokens.
        targets: a token for each place.
        sets: for each token 1 in the sets that it belongs to, and otherwise 0: tokens by sets.
        count: how many of the most likely tokens to give.

    Raises:
        NotANumberError: the logits are NaN.
    """
    tokens = np.asarray(targets)
    chosen = rows[np.arange(len(rows)), tokens]

    def of_block(block: slice) -> TokenStatistics:
        logits, own = rows[block], chosen[block]
        highest = logits.max(axis=1)
        shifted = np.maximum(logits - highest[:, None], _NEVER)
        weights = np.exp(shifted)
        total = weights.sum(axis=1)
        spread = np.log(total)
        with np.errstate(divide="ignore"):
            shares = np.log(weights @ sets) - spread[:, None]
        shifted *= weights
        entropies = spread - shifted.sum(axis=1) / total
        normalizers = highest + spread
        top_ids = _most_likely(logits, count)
        top_logits = np.take_along_axis(logits, top_ids, axis=1).astype(np.float64)
        return TokenStatistics(
            own.astype(np.float64) - normalizers,
            _ranks(logits, own, tokens[block]),
            np.maximum(entropies, 0).astype(np.float64),
            shares.astype(np.float64),
            top_ids,
            top_logits - normalizers[:, None],
        )

    blocks = list(_in_blocks(of_block, len(rows)))
    found = TokenStatistics(*(np.concatenate(part) for part in zip(*blocks, strict=True)))
    if np.isnan(found.logprobs).any():
        raise NotANumberError
    return found


def _ranks(logits: Rows, own: Rows, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    ranks: NDArray[np.int64] = np.count_nonzero(logits > own[:, None], axis=1) + 1
    if (np.count_nonzero(logits >= own[:, None], axis=1) > ranks).any():
        equal = logits == own[:, None]
        ranks += np.count_nonzero(equal & (np.arange(logits.shape[1]) < tokens[:, None]), axis=1)
    return ranks


def _most_likely(logits: Rows, count: int) -> NDArray[np.int64]:
    """Return the tokens with the highest logits; of equal ones, those with the lower numbers."""
    ids = np.empty((len(logits), count), np.int64)
    rest = logits.copy() if count > 1 else logits
    for place in range(count):
        if place:
            np.put_along_axis(rest, ids[:, place - 1, None], -np.inf, axis=1)
        ids[:, place] = rest.argmax(axis=1)
    return ids


def divergence(reference: Rows, other: Rows, targets: Sequence[int]) -> RowDivergences:
    """Return how the distributions of ``other`` differ from those of ``reference``, row by row.

    ``targets`` are the tokens that stand in the text, one for each row.

    Raises:
        NotANumberError: logits are NaN.
    """
    wanted = np.asarray(targets)

    def of_block(block: slice) -> RowDivergences:
        expected, expected_target = _normalized(reference[block], wanted[block])
        found, found_target = _normalized(other[block], wanted[block])
        same_top = expected.argmax(axis=1) == found.argmax(axis=1)
        found -= expected
        np.exp(expected, out=expected)
        expected *= found
        # Rounding can make it a little less than 0, which it never is.
        divergences = np.maximum(-expected.sum(axis=1, dtype=np.float64), 0)
        return RowDivergences(divergences, same_top, found_target, expected_target)

    blocks = list(_in_blocks(of_block, len(reference)))
    rows = RowDivergences(*(np.concatenate(part) for part in zip(*blocks, strict=True)))
    if np.isnan(rows.kullback_leibler).any():
        raise NotANumberError
    return rows


def _normalized(logits: Rows, targets: NDArray[np.int64]) -> tuple[Rows, Logprobs]:
    """Return the log-probabilities of all tokens, and those of the targets, in nats.

    The latter are to the last bit those of `ranked_logprobs_of`.
    """
    highest = logits.max(axis=1)
    logprobs = logits - highest[:, None]
    sizes = np.log(np.exp(logprobs).sum(axis=1))
    chosen = logits[np.arange(len(logits)), targets].astype(np.float64) - (highest + sizes)
    logprobs -= sizes[:, None]
    return logprobs, chosen


def _in_blocks(function: Callable[[slice], _Part], count: int) -> Iterable[_Part]:
    """Call a function for each block of rows, on all cores; NumPy lets go of Python's lock."""
    blocks = [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]
    cores = usable_cores()
    if cores == 1 or len(blocks) == 1:
        return map(function, blocks)
    # An interrupt could leave a thread behind that reads rows of a context which is then freed.
    with held_back, ThreadPoolExecutor(cores) as pool:
        return list(pool.map(function, blocks))
