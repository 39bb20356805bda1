"""Hidden states of texts, as features for whatever learns from them."""

from collections.abc import Iterator, Sequence

import numpy as np

from ...errors import TextTooLongError
from ..options import Overflow, Pool
from .evaluator import Evaluator, Rows, packed
from .windows import half


class FeatureExtractor:
    """Gives the hidden states of texts after the final layer norm, as 32-bit floats.

    They are those of the tokens that stand for a text in a prompt, for no text at all those of
    the model's start token.

    Attributes:
        window: the tokens that are evaluated together at most.
        stride: the tokens from one window of a long text to the next.
    """

    def __init__(
        self, evaluator: Evaluator, pool: Pool = "none", overflow: Overflow = "error"
    ) -> None:
        """Use an evaluator made for hidden states.

        Args:
            evaluator: its sequences are the texts that are evaluated at once.
            pool: ``none`` for tokens by width; for one row of the width, ``mean`` over the tokens,
                or that of the ``last`` one.
            overflow: refuse a text that is longer than the window (``error``); evaluate it in
                parts, each by itself (``split``); or in windows that overlap by half
                (``overlap``), where each token has its state from the first window that has it.
        """
        self._evaluator = evaluator
        self._model = evaluator.model
        self._pool = pool
        self._overflow = overflow
        size = evaluator.size
        self.window = size
        self.stride = half(size) if overflow == "overlap" else size

    def tokens(self, text: str) -> Sequence[int]:
        """Return the tokens that a text is evaluated as.

        Raises:
            TextTooLongError: they are more than the window takes, and that is an error.
        """
        tokens = self._model.tokenize(text) or [self._model.start_token]
        if len(tokens) > self._evaluator.size and self._overflow == "error":
            raise TextTooLongError(len(tokens), self._evaluator.size)
        return tokens

    def extract(self, texts: Sequence[Sequence[int]]) -> Iterator[Rows]:
        """Yield the features of texts, given as tokens, in as few evaluations as they fit in.

        Raises:
            DistilError: llama.cpp can't evaluate them.
        """
        for group in packed(texts, len, self._evaluator.capacity):
            if len(group) == 1:
                yield self._pooled(self._alone(group[0]))
            else:
                yield from map(self._pooled, self._evaluator.hidden_states_of_many(group))

    def _alone(self, tokens: Sequence[int]) -> Rows:
        parts: list[Rows] = []
        for start in range(0, max(len(tokens) - self.window, 0) + self.stride, self.stride):
            window = tokens[start : start + self.window]
            known = sum(map(len, parts)) - start
            parts.append(self._evaluator.hidden_states(window)[known:])
        return np.concatenate(parts)

    def _pooled(self, states: Rows) -> Rows:
        if self._pool == "mean":
            states = states.mean(axis=0, dtype=np.float64).astype(np.float32)
        elif self._pool == "last":
            states = states[-1]
        return states
