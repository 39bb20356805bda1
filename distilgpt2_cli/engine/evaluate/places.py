"""All that is known of the places in a text: what stands there, and what could have."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..llama.model import Model
from .evaluator import Evaluator, Rows
from .probabilities import Logprobs, statistics_of
from .windows import Window, sliding


class Wanted(NamedTuple):
    """What `Places` are to have; see `statistics_of`.

    Attributes:
        sets: of tokens, whose shares are wanted: tokens by sets.
        top: how many of the most likely tokens.
    """

    sets: Rows
    top: int = 0


class Places(NamedTuple):
    """What the model says at places of a text, a row for each.

    Attributes:
        logprobs: of the token that stands there, in nats.
        ranks: of that token, from 1; see `TokenStatistics`.
        entropies: of the distribution that it comes from, in nats.
        shares: the log-probability of each set of tokens, in nats: places by sets.
        top_ids: the most likely tokens, the likeliest first: places by tokens.
        top: their log-probabilities in nats.
        contexts: how many tokens the model has seen before it.
    """

    logprobs: Logprobs
    ranks: NDArray[np.int64]
    entropies: Logprobs
    shares: Logprobs
    top_ids: NDArray[np.int64]
    top: Logprobs
    contexts: NDArray[np.int64]

    def at(self, part: slice) -> "Places":
        """Return some of them."""
        found: list[Any] = [values[part] for values in self]
        return Places(*found)


def joined(parts: Sequence[Places]) -> Places:
    """Return the places of all parts, one after another."""
    found: list[Any] = [np.concatenate(values) for values in zip(*parts, strict=True)]
    return Places(*found)


def no_sets(model: Model) -> Rows:
    """Return no sets of a model's tokens."""
    return np.zeros((model.vocabulary_size, 0), np.float32)


def places_of(
    rows: Rows, targets: Sequence[int], contexts: NDArray[np.int64], wanted: Wanted
) -> Places:
    """Return what rows of logits say of the tokens that stand there; see `statistics_of`.

    Raises:
        NotANumberError: the logits are NaN.
    """
    return Places(*statistics_of(rows, targets, wanted.sets, wanted.top), contexts)


def window_places(evaluator: Evaluator, window: Window, wanted: Wanted) -> Iterator[Places]:
    """Yield what is known of the tokens that a window scores, in pieces.

    Raises:
        NotANumberError: the logits are NaN.
        DistilError: llama.cpp can't evaluate the window.
    """
    place = len(window.tokens) - window.scored
    for rows in evaluator.logits(window.tokens[:-1], window.scored):
        end = place + len(rows)
        yield places_of(rows, window.tokens[place:end], np.arange(place, end), wanted)
        place = end


def stream_places(
    evaluator: Evaluator, tokens: Iterable[int], stride: int, wanted: Wanted, done: int = 0
) -> Iterator[tuple[Sequence[int], Places]]:
    """Yield the tokens of a text of any size, from the second on, and what is known of them.

    Args:
        evaluator: its size is that of the windows that the text is cut into.
        tokens: all of them.
        stride: tokens from one window to the next.
        wanted: what is to be known.
        done: leave out so many tokens; a window of which all are left out is not evaluated.

    Raises:
        NotANumberError: the logits are NaN.
        DistilError: llama.cpp can't evaluate a window.
    """
    for window in sliding(tokens, evaluator.size, stride):
        if window.scored <= done:
            done -= window.scored
            continue
        scored = window.tokens[-window.scored :]
        for places in window_places(evaluator, window, wanted):
            count = len(places.logprobs)
            if count > done:
                yield scored[done:count], places.at(slice(done, None))
            done = max(done - count, 0)
            scored = scored[count:]
