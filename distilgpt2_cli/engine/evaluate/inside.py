"""What a model computes on the way: hidden states, attention, and the logit lens.

The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens") applies the final layer
norm and the output matrix to the hidden state of an earlier layer, as if it were the last one.
llama.cpp does it, in its own arithmetic and on any quantization: the text is evaluated again for
each layer, with that layer's states in place of what the last block gives. For the last layer the
lens is what the model says.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DistilError, NotANumberError
from ...units import format_bytes
from ..llama.cores import available_bytes
from ..llama.model import Model
from ..llama.taps import Array, Receiver, Taps
from .evaluator import Evaluator, Rows, threads_for
from .layers import StateCollector, block_output, unseen
from .places import no_sets
from .probabilities import Logprobs, statistics_of

_NORM = "result_norm"

Counts = NDArray[np.int64]


class Lens(NamedTuple):
    """What the output matrix says at each layer after each token.

    Attributes:
        top_ids: the most likely next tokens, layers + 1 by tokens by their number, the most likely
            first; of equal ones, the lower id.
        top_logprobs: of those, in nats.
        logprobs: of the token that comes next in the text, in nats: layers + 1 by tokens - 1.
        ranks: of that token, from 1: one more than the tokens that are more likely, or as likely
            with a lower id.
        entropies: of the whole distributions, in bits: layers + 1 by tokens.
    """

    top_ids: Counts
    top_logprobs: Logprobs
    logprobs: Logprobs
    ranks: Counts
    entropies: Logprobs


@dataclass(frozen=True)
class Inside:
    """What a model computes for a text.

    Attributes:
        tokens: the text.
        hidden_states: layers + 1 by tokens by width, as transformers' ``hidden_states``: the
            embeddings first, and the last one after the final layer norm.
        attentions: layers by heads by tokens by tokens, as transformers' ``attentions``: how much
            of its attention a token (third) gives to a token (fourth), 1 in all. None if they were
            not wanted.
        lens: the logit lens.
    """

    tokens: Sequence[int]
    hidden_states: Rows
    attentions: Array | None
    lens: Lens


def look_inside(
    model: Model,
    tokens: Sequence[int],
    threads: int | None = None,
    *,
    top: int = 5,
    attention: bool = True,
) -> Inside:
    """Evaluate a text, and return what the model computes on the way.

    Args:
        model: the model.
        tokens: the text, from 1 token to the model's window.
        threads: by default as many as there are cores for long texts, and one for short ones.
        top: the most likely tokens to find at each place.
        attention: return the attention too; it takes layers x heads x tokens x tokens x 4 bytes.

    Raises:
        UsageError: the text does not fit the window.
        NotANumberError: the model computes NaN.
        DistilError: llama.cpp can't evaluate the text, or not in layers that can be seen; or there
            is no memory for the attention.
    """
    with InsideEvaluator(model, len(tokens), threads) as evaluator:
        return evaluator.look(tokens, top=top, attention=attention)


class InsideEvaluator(Evaluator):
    """An evaluator that sees what is computed; without flash attention, which has no weights."""

    def __init__(self, model: Model, size: int | None = None, threads: int | None = None) -> None:
        """Make room for a text of ``size`` tokens, and raise what `Evaluator` raises."""
        self._taps = Taps()
        threads = threads_for(size or model.window, threads)
        super().__init__(model, size, threads, flash_attention=False, taps=self._taps)

    def look(self, tokens: Sequence[int], *, top: int = 5, attention: bool = True) -> Inside:
        """Evaluate a text; see `look_inside`, also for what is raised."""
        layers = self.model.layers
        states = StateCollector(range(layers + 1))
        norm = _NormCollector()
        weights = _WeightCollector(self.model, len(tokens)) if attention else None
        receivers = {**states.receivers, _NORM: norm.parts.append}
        receivers |= weights.receivers if weights else {}
        with self._taps.receiving(receivers):
            lenses = [self._lens(self.logits(tokens, len(tokens)), tokens, top)]
        found = states.take(len(tokens))
        for layer in reversed(range(layers)):
            lenses.append(self._lens(self.logits_of(tokens, found[layer]), tokens, top))
        lens = Lens(*(np.stack(figures[::-1]) for figures in zip(*lenses, strict=True)))
        _check_seen(found, lens)
        hidden_states = np.stack([*found[:-1], norm.take(len(tokens))])
        if not np.isfinite(hidden_states).all():
            raise NotANumberError
        return Inside(
            tuple(tokens), hidden_states, weights.take(len(tokens)) if weights else None, lens
        )

    def logits_of(self, tokens: Sequence[int], states: Rows) -> Iterator[Rows]:
        """Yield the logits of hidden states, as if the last block had given them.

        They come in pieces, as those of `logits`.

        Args:
            tokens: a text, which is evaluated so that llama.cpp comes to the end of its graph.
            states: tokens by width.

        Raises:
            DistilError: llama.cpp can't.
        """
        with self._taps.receiving({}, {block_output(self.model.layers): states}):
            yield from self.logits(tokens, len(tokens))

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with super()._computing():
            yield
        self._taps.check()

    def _lens(self, pieces: Iterator[Rows], tokens: Sequence[int], top: int) -> Lens:
        """Return the figures of one layer."""
        targets, sets = [*tokens[1:], 0], no_sets(self.model)
        parts: list[Lens] = []
        for rows in pieces:
            start = sum(len(part.entropies) for part in parts)
            parts.append(_figures(rows, targets[start : start + len(rows)], top, sets))
        lens = Lens(*map(np.concatenate, zip(*parts, strict=True)))
        return lens._replace(logprobs=lens.logprobs[:-1], ranks=lens.ranks[:-1])


class _NormCollector:
    """Takes the states after the final layer norm."""

    def __init__(self) -> None:
        self.parts: list[Array] = []

    def take(self, tokens: int) -> Rows:
        rows = [each[0, 0] for each in self.parts]
        if sum(map(len, rows)) != tokens:
            raise unseen(_NORM)
        return np.concatenate(rows)


class _WeightCollector:
    """Takes the attention of all layers, without what llama.cpp's cache has beyond the text."""

    def __init__(self, model: Model, tokens: int) -> None:
        shape = (model.layers, model.heads, tokens, tokens)
        _check_memory(shape)
        self._weights = np.zeros(shape, np.float32)
        self._counts = [0] * model.layers
        self.receivers = {_weights(block): self._receiver(block) for block in range(model.layers)}

    def _receiver(self, block: int) -> Receiver:
        def receive(weights: Array) -> None:
            start = self._counts[block]
            end = start + weights.shape[2]
            if weights.shape[:2] != (1, self._weights.shape[1]) or weights.shape[3] < end:
                raise unseen(f"a {_weights(block)} of all heads and tokens")
            self._weights[block, :, start:end, :end] = weights[0, :, :, :end]
            self._counts[block] = end

        return receive

    def take(self, tokens: int) -> Array:
        for block, count in enumerate(self._counts):
            if count != tokens:
                raise unseen(_weights(block))
        return self._weights


def _check_memory(shape: tuple[int, ...]) -> None:
    """Make sure that there is memory for an array, which the system gives only as it is filled."""
    size, free = 4 * math.prod(shape), available_bytes()
    if free is not None and size > free:
        raise DistilError(
            f"The attention of {shape[-1]:,} tokens takes {format_bytes(size)}, and"
            f" {format_bytes(free)} are free.",
            "Use a shorter text, or a machine with more memory.",
        )


def _weights(block: int) -> str:
    return f"kq_soft_max-{block}"


def _figures(rows: Rows, targets: Sequence[int], top: int, sets: Rows) -> Lens:
    """Return the figures of some tokens, each with the token that comes next."""
    found = statistics_of(rows, targets, sets, top)
    return Lens(
        found.top_ids, found.top, found.logprobs, found.ranks, found.entropies / math.log(2)
    )


def _check_seen(states: Sequence[Rows], lens: Lens) -> None:
    """Make sure that llama.cpp computes its logits from what was put in place of the last block.

    Raises:
        DistilError: the embeddings give the same logits as the last block.
    """
    same = np.array_equal(lens.top_logprobs[0], lens.top_logprobs[-1])
    if same and not np.array_equal(states[0], states[-1]):
        raise unseen("an output matrix after the last block")
