"""Hidden states of texts, as features for whatever learns from them."""

from collections.abc import Iterator, Sequence

import numpy as np

from ...errors import TextTooLongError
from ..options import Pool
from .evaluator import Evaluator, Rows, packed


class FeatureExtractor:
    """Gives the hidden states of texts after the final layer norm, as 32-bit floats.

    They are those of the tokens that stand for a text in a prompt, for no text at all those of
    the model's start token.
    """

    def __init__(self, evaluator: Evaluator, pool: Pool = "none", *, split: bool = False) -> None:
        """Use an evaluator made for hidden states.

        Args:
            evaluator: its sequences are the texts that are evaluated at once.
            pool: ``none`` for tokens by width; for one row of the width, ``mean`` over the tokens,
                or that of the ``last`` one.
            split: evaluate a text that is longer than the window in parts, each by itself,
                instead of refusing it.
        """
        self._evaluator = evaluator
        self._model = evaluator.model
        self._pool = pool
        self._split = split

    def tokens(self, text: str) -> Sequence[int]:
        """Return the tokens that a text is evaluated as.

        Raises:
            TextTooLongError: they are more than the window takes, and are not to be split.
        """
        tokens = self._model.tokenize(text) or [self._model.start_token]
        if len(tokens) > self._evaluator.size and not self._split:
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
        size = self._evaluator.size
        parts = [tokens[start : start + size] for start in range(0, len(tokens), size)]
        return np.concatenate([self._evaluator.hidden_states(part) for part in parts])

    def _pooled(self, states: Rows) -> Rows:
        if self._pool == "mean":
            states = states.mean(axis=0, dtype=np.float64).astype(np.float32)
        elif self._pool == "last":
            states = states[-1]
        return states
