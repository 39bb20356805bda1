"""The working memory of a model: sequences of tokens evaluated so far, and the newest logits."""

import ctypes
import time
from collections.abc import Mapping, Sequence
from itertools import chain

from . import interrupts
from .bindings import lib
from .cores import running_tasks, usable_cores
from .micro_batches import FIRST_SPLIT_POSITION, PHYSICAL_BATCH, companions, parts
from .model import Model
from .native import NativeContext
from .settings import context_params
from .threads import ThreadTuner

# From this many tokens on, a prompt is worth all cores even if one of them is busy.
_LONG_PROMPT = 32

Logits = ctypes.Array[ctypes.c_float]


class Context(NativeContext):
    """Sequences of tokens under evaluation. Close it, or use it as a context manager.

    Several sequences are evaluated with flash attention, which is quicker. One sequence is not,
    unless that is asked for: flash attention is quicker for it too, but only if the logits may
    depend on the number of threads.

    Attributes:
        model: what they are evaluated with.
        size: the tokens that each sequence has room for.
        tokens: for each sequence, those that it holds.
        flash_attention: whether it is used.
    """

    def __init__(
        self,
        model: Model,
        size: int | None = None,
        threads: int | None = None,
        sequences: int = 1,
        *,
        flash_attention: bool = False,
    ) -> None:
        """Make room for ``size`` tokens a sequence, by default for the model's whole window.

        Args:
            model: what evaluates.
            size: the tokens that a sequence has room for.
            threads: found out while evaluating unless they are given.
            sequences: how many there are.
            flash_attention: use it for a single sequence too.

        Raises:
            UsageError: ``size`` is above the model's window, or there are more sequences than
                llama.cpp can evaluate together.
            DistilError: llama.cpp can't make the context, for want of memory for instance.
        """
        super().__init__(model, size)
        self.tokens: list[list[int]] = [[] for _ in range(sequences)]
        self._cores = threads or usable_cores()
        several = sequences > 1
        self.flash_attention = several or flash_attention
        self._keeps_company = several  # no token is evaluated alone: see micro_batches
        params = context_params(
            self.size * sequences, sequences, flash_attention=self.flash_attention
        )
        # Each sequence attends to its own cells only, rather than to all of them under a mask.
        params.kv_unified = False
        params.n_batch = max(self.size, sequences, PHYSICAL_BATCH if several else 0)
        self._open(params)
        self._tuner = (
            None if threads else ThreadTuner(self._cores, self._use_threads, running_tasks)
        )
        self._use_threads(self.threads)
        self._new_batch = _BatchBuilder(sequences)

    @property
    def threads(self) -> int:
        """The threads that the next token is computed with."""
        return self._tuner.threads if self._tuner else self._cores

    @property
    def sequences(self) -> int:
        """How many sequences there are."""
        return len(self.tokens)

    def evaluate(self, tokens: Sequence[int], sequence: int = 0) -> None:
        """Evaluate several tokens at the end of a sequence; the last one's logits are kept.

        Raises:
            DistilError: llama.cpp can't.
        """
        cuts = parts(len(tokens), self.size) if self._keeps_company else [slice(None)]
        batches = [self._new_batch.of_texts([tokens[part]], [sequence]) for part in cuts]
        self._evaluate(batches, len(tokens))
        self.tokens[sequence] += tokens

    def evaluate_together(self, texts: Sequence[Sequence[int]], sequences: Sequence[int]) -> None:
        """Evaluate a text from the beginning of each of several sequences, in one micro-batch.

        The logits after each text are kept, in rows in this order: -1 is the last one.

        Args:
            texts: two at least, and all filled up to the longest no more than a micro-batch.
            sequences: as many, with successive numbers.

        Raises:
            DistilError: llama.cpp can't.
        """
        for sequence in sequences:
            self.rewind(0, sequence)
        # Only texts of the same length go through the model together.
        longest = max(map(len, texts))
        filled = [[*text, *[text[-1]] * (longest - len(text))] for text in texts]
        batch = self._new_batch.of_texts(filled, sequences, [len(text) for text in texts])
        self._evaluate([batch], longest * len(texts))
        for text, sequence in zip(texts, sequences, strict=True):
            self.tokens[sequence] += text
            self.rewind(len(text), sequence)

    def _evaluate(self, batches: Sequence[object], count: int) -> None:
        """Evaluate so many tokens, with all cores and so that it can be left if they are many."""
        if count < _LONG_PROMPT:
            self._decode(batches[0])
            return
        self._use_threads(self._cores)
        with interrupts.heeded(self.pointer):
            for batch in batches:
                self._decode(batch)
        self._use_threads(self.threads)

    def step(self, tokens: Sequence[int], sequences: Sequence[int] = (0,)) -> None:
        """Evaluate one token at the end of each of these sequences, together.

        The logits after each of them are kept, in rows in this order: -1 is the last one.

        Args:
            tokens: one for each sequence.
            sequences: their numbers, in increasing order.

        Raises:
            DistilError: llama.cpp can't.
        """
        start = time.perf_counter()
        with interrupts.held_back:
            company = self._company_of(sequences)
            self._decode(self._new_batch.of_one_token_each(tokens, sequences, company))
            for each in company:
                self._forget(len(self.tokens[each]), each)
        if self._tuner:
            self._tuner.record((time.perf_counter() - start) / len(tokens))
        for token, sequence in zip(tokens, sequences, strict=True):
            self.tokens[sequence].append(token)

    def _company_of(self, sequences: Sequence[int]) -> dict[int, int]:
        """Return a token, and room for it, in each sequence to evaluate beside these."""
        if not self._keeps_company:
            return {}
        company = {}
        for each in companions(sequences, self.sequences, self._is_long):
            held = self.tokens[each]
            is_full = len(held) == self.size
            if is_full:
                self._forget(self.size - 1, each)
            company[each] = held[-1] if is_full else self.model.start_token
        return company

    def _is_long(self, sequence: int) -> bool:
        return len(self.tokens[sequence]) >= FIRST_SPLIT_POSITION

    def _forget(self, position: int, sequence: int) -> None:
        """Let llama.cpp forget the tokens of a sequence from this position on."""
        lib.llama_memory_seq_rm(self._memory, sequence, position, -1)

    def rewind(self, position: int, sequence: int = 0) -> None:
        """Forget the tokens of a sequence from this position on; the logits stay."""
        self._forget(position, sequence)
        del self.tokens[sequence][position:]

    def copy(self, source: int, target: int) -> None:
        """Make a sequence hold what another one holds; the logits stay."""
        self._forget(0, target)
        lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.tokens[target] = self.tokens[source].copy()

    def copy_logits(self, row: int = -1) -> Logits:
        """Return a copy of a row of the newest logits, one for each token of the vocabulary."""
        logits = (ctypes.c_float * self.model.vocabulary_size)()
        ctypes.memmove(logits, lib.llama_get_logits_ith(self.pointer, row), ctypes.sizeof(logits))
        return logits

    def restore_logits(self, logits: Logits) -> None:
        """Put logits copied earlier in the newest row, so that they can be sampled from again."""
        ctypes.memmove(lib.llama_get_logits_ith(self.pointer, -1), logits, ctypes.sizeof(logits))


class _BatchBuilder:
    """Makes ``llama_batch`` structures, with the same memory for every step.

    Positions are left to llama.cpp, which counts on from what a sequence holds.
    """

    def __init__(self, sequences: int) -> None:
        self._ids = (lib.llama_seq_id * sequences)(*range(sequences))
        self._tokens = (lib.llama_token * sequences)()
        counts = (ctypes.c_int32 * sequences)(*[1] * sequences)
        self._rows = (ctypes.POINTER(lib.llama_seq_id) * sequences)()
        self._wanted = (ctypes.c_int8 * sequences)()
        self._step = lib.llama_batch(0, self._tokens, None, None, counts, self._rows, self._wanted)
        self._addresses = [self._address(sequence) for sequence in range(sequences)]
        self._rows_hold: Sequence[tuple[int, bool]] = ()

    def of_one_token_each(
        self,
        tokens: Sequence[int],
        sequences: Sequence[int],
        company: Mapping[int, int],
    ) -> object:
        """Return a batch with one token of each sequence and logits for all of them.

        Args:
            tokens: one for each sequence.
            sequences: their numbers.
            company: a token for each of some other sequences, whose logits nobody needs.
        """
        all_tokens = {**dict(zip(sequences, tokens, strict=True)), **company}
        rows = [(sequence, sequence not in company) for sequence in sorted(all_tokens)]
        self._tokens[: len(rows)] = [all_tokens[sequence] for sequence, _ in rows]
        if rows != self._rows_hold:
            for row, (sequence, wanted) in enumerate(rows):
                self._rows[row] = self._addresses[sequence]
                self._wanted[row] = wanted
            self._rows_hold = rows
        self._step.n_tokens = len(rows)
        return self._step

    def of_texts(
        self,
        texts: Sequence[Sequence[int]],
        sequences: Sequence[int],
        lengths: Sequence[int] = (),
    ) -> object:
        """Return a batch with successive tokens of each sequence.

        Logits are those after the first ``lengths`` of a text, or else after all of the last one.
        """
        count = sum(map(len, texts))
        addresses = [
            self._addresses[sequence]
            for text, sequence in zip(texts, sequences, strict=True)
            for _ in text
        ]
        wanted = [
            place == length
            for text, length in zip(texts, lengths, strict=False)
            for place in range(1, len(text) + 1)
        ]
        return lib.llama_batch(
            count,
            (lib.llama_token * count)(*chain.from_iterable(texts)),
            None,
            None,
            (ctypes.c_int32 * count)(*[1] * count),
            (ctypes.POINTER(lib.llama_seq_id) * count)(*addresses),
            (ctypes.c_int8 * count)(*wanted) if lengths else None,
        )

    def _address(self, sequence: int) -> object:
        offset = sequence * ctypes.sizeof(lib.llama_seq_id)
        return ctypes.pointer(lib.llama_seq_id.from_buffer(self._ids, offset))
