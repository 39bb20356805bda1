"""Prompts at the beginning of sequences, each of them evaluated once."""

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import NotANumberError
from .llama.context import Context, Logits


class _Evaluated(NamedTuple):
    tokens: Sequence[int]
    logits: Logits
    seconds: float


class PromptEvaluator:
    """Evaluates prompts in sequences, and the same prompt in another one by copying it.

    A prompt is always evaluated whole and alone, because its logits depend on how it is cut and
    on what is evaluated beside it.
    """

    def __init__(self, context: Context) -> None:
        """Use the sequences of this context; whoever else changes one says so here."""
        self._context = context
        self._evaluated: _Evaluated | None = None
        self._holders: set[int] = set()

    def evaluate(self, prompt: Sequence[int], sequence: int) -> float:
        """Make a sequence hold just this prompt, with its logits as the newest ones.

        Returns:
            The seconds that its evaluation took, now or earlier.

        Raises:
            NotANumberError: the logits are NaN.
            DistilError: llama.cpp can't evaluate it.
        """
        last = self._evaluated
        if last is None or prompt != last.tokens:
            self._holders.clear()
            last = self._evaluated = self._evaluate_anew(prompt, sequence)
        elif not self._holders:
            last = self._evaluate_anew(prompt, sequence)
        else:
            if sequence not in self._holders:
                self._context.copy(next(iter(self._holders)), sequence)
            self._context.rewind(len(prompt), sequence)
            self._context.restore_logits(last.logits)
        self._holders.add(sequence)
        return last.seconds

    def overwritten(self, sequence: int) -> None:
        """Take note that a sequence no longer begins with its prompt."""
        self._holders.discard(sequence)

    def copied(self, source: int, target: int) -> None:
        """Take note that a sequence was copied to another one."""
        self._holders.discard(target)
        if source in self._holders:
            self._holders.add(target)

    def _evaluate_anew(self, prompt: Sequence[int], sequence: int) -> _Evaluated:
        start = time.perf_counter()
        self._context.rewind(0, sequence)
        self._context.evaluate(prompt, sequence)
        logits = self._context.copy_logits()
        # A layer norm spreads a NaN over all of its values, and so over all logits.
        if math.isnan(logits[0]):
            raise NotANumberError
        return _Evaluated(prompt, logits, time.perf_counter() - start)


def fit(prompt: Sequence[int], size: int, max_tokens: int) -> Sequence[int]:
    """Return the end of a prompt that a context of ``size`` tokens takes, or all of it.

    Kept is as much as leaves room for ``max_tokens`` (-1: no limit), but at least half the size.
    """
    if len(prompt) <= size:
        return prompt
    keep = max(size - max_tokens, size // 2) if max_tokens >= 0 else size // 2
    return prompt[-max(keep, 1) :]
