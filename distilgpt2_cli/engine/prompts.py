"""Prompts at the beginning of sequences, each of them evaluated once."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ..errors import NotANumberError
from .llama.context import Context, Logits
from .llama.micro_batches import PHYSICAL_BATCH

# Short prompts that begin together are evaluated together, in one micro-batch, which takes as many
# tokens of each. Those of up to 8 and of up to 16 tokens are filled up to the longest of them; of
# longer ones, only those of the same length are put together: filling them up costs more than it
# gains. Measured by tests/bench/prompts.py.
_FILLED_UP = (8, 16)
_FEWEST_TOGETHER = 4


@dataclass(slots=True)
class _Evaluated:
    """What is known of a prompt while a sequence begins with it."""

    logits: Logits
    seconds: float
    holders: set[int] = field(default_factory=set)


class PromptEvaluator:
    """Evaluates prompts in sequences, and the same prompt in another one by copying it.

    A prompt is always evaluated whole. Its logits depend on what is evaluated beside it, so that
    it is alone unless `evaluate_together` was asked for it.
    """

    def __init__(self, context: Context) -> None:
        """Use the sequences of this context; whoever else changes one says so here."""
        self._context = context
        self._known: dict[tuple[int, ...], _Evaluated] = {}

    def evaluate(self, prompt: Sequence[int], sequence: int) -> float:
        """Make a sequence hold just this prompt, with its logits as the newest ones.

        Returns:
            The seconds that its evaluation took, now or earlier.

        Raises:
            NotANumberError: the logits are NaN.
            DistilError: llama.cpp can't evaluate it.
        """
        known = self._known.get(tuple(prompt))
        if known is None:
            start = time.perf_counter()
            self.overwritten(sequence)
            self._context.rewind(0, sequence)
            self._context.evaluate(prompt, sequence)
            return self._learn(prompt, sequence, start).seconds
        if sequence not in known.holders:
            self._context.copy(next(iter(known.holders)), sequence)
            self.overwritten(sequence)
            known.holders.add(sequence)
        self._context.rewind(len(prompt), sequence)
        self._context.restore_logits(known.logits)
        return known.seconds

    def evaluate_together(
        self, prompts: Iterable[Sequence[int]], sequences: Sequence[int]
    ) -> list[int]:
        """Evaluate those new prompts that are evaluated sooner together than one by one.

        Args:
            prompts: of completions that are about to begin.
            sequences: free ones, with successive numbers, at least one for each prompt.

        Returns:
            The sequences that now begin with one of the prompts.

        Raises:
            NotANumberError: the logits are NaN.
            DistilError: llama.cpp can't evaluate them.
        """
        new = [prompt for prompt in dict.fromkeys(map(tuple, prompts)) if prompt not in self._known]
        free = iter(sequences)
        used: list[int] = []
        for group in _groups(new):
            taken = list(islice(free, len(group)))
            self._evaluate_group(group, taken)
            used += taken
        return used

    def _evaluate_group(self, prompts: Sequence[tuple[int, ...]], sequences: Sequence[int]) -> None:
        start = time.perf_counter()
        for sequence in sequences:
            self.overwritten(sequence)
        self._context.evaluate_together(prompts, sequences)
        seconds = (time.perf_counter() - start) / len(prompts)
        for row, (prompt, sequence) in enumerate(
            zip(prompts, sequences, strict=True), -len(prompts)
        ):
            self._learn(prompt, sequence, row=row).seconds = seconds

    def is_held(self, prompt: Sequence[int], sequence: int) -> bool:
        """Return whether a sequence begins with this prompt."""
        known = self._known.get(tuple(prompt))
        return known is not None and sequence in known.holders

    def overwritten(self, sequence: int) -> None:
        """Take note that a sequence no longer begins with its prompt."""
        for prompt, known in list(self._known.items()):
            known.holders.discard(sequence)
            if not known.holders:
                del self._known[prompt]

    def copied(self, source: int, target: int) -> None:
        """Take note that a sequence was copied to another one."""
        self.overwritten(target)
        for known in self._known.values():
            if source in known.holders:
                known.holders.add(target)

    def forget_all(self) -> None:
        """Know nothing of what the sequences begin with."""
        self._known.clear()

    def scale_adapters(self, scales: Sequence[float]) -> None:
        """Use the model's adapters with these scales; nothing may be under way.

        What sequences hold was computed with the scales before, and is forgotten.

        Raises:
            DistilError: llama.cpp can't.
        """
        if tuple(scales) == self._context.adapter_scales:
            return
        for sequence in range(self._context.sequences):
            self._context.rewind(0, sequence)
        self.forget_all()
        self._context.scale_adapters(scales)

    def _learn(
        self, prompt: Sequence[int], sequence: int, start: float = 0.0, row: int = -1
    ) -> _Evaluated:
        logits = self._context.copy_logits(row)
        # A layer norm spreads a NaN over all of its values, and so over all logits.
        if math.isnan(logits[0]):
            raise NotANumberError
        known = _Evaluated(logits, time.perf_counter() - start, {sequence})
        self._known[tuple(prompt)] = known
        return known


def _groups(prompts: Iterable[tuple[int, ...]]) -> Iterator[Sequence[tuple[int, ...]]]:
    """Yield the prompts that are evaluated together; the others are in no group."""
    by_length: dict[int, list[tuple[int, ...]]] = {}
    for prompt in prompts:
        length = next((most for most in _FILLED_UP if len(prompt) <= most), len(prompt))
        by_length.setdefault(length, []).append(prompt)
    for length, alike in by_length.items():
        most = PHYSICAL_BATCH // length
        for start in range(0, len(alike), max(most, 1)):
            group = alike[start : start + most]
            if len(group) >= _FEWEST_TOGETHER:
                yield group


def fit(prompt: Sequence[int], size: int, max_tokens: int) -> Sequence[int]:
    """Return the end of a prompt that a context of ``size`` tokens takes, or all of it.

    Kept is as much as leaves room for ``max_tokens`` (-1: no limit), but at least half the size.
    """
    if len(prompt) <= size:
        return prompt
    keep = max(size - max_tokens, size // 2) if max_tokens >= 0 else size // 2
    return prompt[-max(keep, 1) :]
