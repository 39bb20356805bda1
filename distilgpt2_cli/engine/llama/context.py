"""The working memory of a model: sequences of tokens evaluated so far, and the newest logits."""

import ctypes
import time
from collections.abc import Sequence

from . import interrupts
from .bindings import lib
from .cores import running_tasks, usable_cores
from .model import Model
from .native import NativeContext
from .settings import context_params
from .threads import ThreadTuner

# From this many tokens on, a prompt is worth all cores even if one of them is busy.
_LONG_PROMPT = 32

Logits = ctypes.Array[ctypes.c_float]


class Context(NativeContext):
    """Sequences of tokens under evaluation. Close it, or use it as a context manager.

    Attributes:
        model: what they are evaluated with.
        size: the tokens that each sequence has room for.
        positions: for each sequence, the tokens that it holds.
    """

    def __init__(
        self,
        model: Model,
        size: int | None = None,
        threads: int | None = None,
        sequences: int = 1,
    ) -> None:
        """Make room for ``size`` tokens a sequence, by default for the model's whole window.

        ``threads`` are found out while evaluating unless they are given.

        Raises:
            UsageError: ``size`` is above the model's window, or there are more sequences than
                llama.cpp can evaluate together.
            DistilError: llama.cpp can't make the context, for want of memory for instance.
        """
        super().__init__(model, size)
        self.positions = [0] * sequences
        self._cores = threads or usable_cores()
        params = context_params(self.size * sequences, sequences)
        # Each sequence attends to its own cells only, rather than to all of them under a mask.
        params.kv_unified = False
        params.n_batch = max(self.size, sequences)
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
        return len(self.positions)

    def evaluate(self, tokens: Sequence[int], sequence: int = 0) -> None:
        """Evaluate several tokens at the end of a sequence; the last one's logits are kept.

        Raises:
            DistilError: llama.cpp can't.
        """
        batch = self._new_batch.of_one_sequence(tokens, sequence)
        if len(tokens) < _LONG_PROMPT:
            self._decode(batch)
        else:
            self._use_threads(self._cores)
            with interrupts.heeded(self.pointer):
                self._decode(batch)
            self._use_threads(self.threads)
        self.positions[sequence] += len(tokens)

    def step(self, tokens: Sequence[int], sequences: Sequence[int] = (0,)) -> None:
        """Evaluate one token at the end of each of these sequences, together.

        The logits after each of them are kept, in rows in this order.

        Raises:
            DistilError: llama.cpp can't.
        """
        start = time.perf_counter()
        with interrupts.held_back:
            self._decode(self._new_batch.of_one_token_each(tokens, sequences))
        if self._tuner:
            self._tuner.record((time.perf_counter() - start) / len(tokens))
        for sequence in sequences:
            self.positions[sequence] += 1

    def rewind(self, position: int, sequence: int = 0) -> None:
        """Forget the tokens of a sequence from this position on; the logits stay."""
        lib.llama_memory_seq_rm(self._memory, sequence, position, -1)
        self.positions[sequence] = position

    def copy(self, source: int, target: int) -> None:
        """Make a sequence hold what another one holds; the logits stay."""
        lib.llama_memory_seq_rm(self._memory, target, 0, -1)
        lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.positions[target] = self.positions[source]

    def copy_logits(self) -> Logits:
        """Return a copy of the newest row of logits, one for each token of the vocabulary."""
        logits = (ctypes.c_float * self.model.vocabulary_size)()
        ctypes.memmove(logits, lib.llama_get_logits_ith(self.pointer, -1), ctypes.sizeof(logits))
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
        self._counts = (ctypes.c_int32 * sequences)(*[1] * sequences)
        self._rows = (ctypes.POINTER(lib.llama_seq_id) * sequences)()
        wanted = (ctypes.c_int8 * sequences)(*[1] * sequences)
        self._step = lib.llama_batch(0, self._tokens, None, None, self._counts, self._rows, wanted)
        self._addresses = [self._address(sequence) for sequence in range(sequences)]
        self._rows_hold: Sequence[int] = ()

    def of_one_token_each(self, tokens: Sequence[int], sequences: Sequence[int]) -> object:
        """Return a batch with one token of each sequence and logits for all of them."""
        self._tokens[: len(tokens)] = tokens
        if sequences != self._rows_hold:
            for row, sequence in enumerate(sequences):
                self._rows[row] = self._addresses[sequence]
            self._rows_hold = tuple(sequences)
        self._step.n_tokens = len(tokens)
        return self._step

    def of_one_sequence(self, tokens: Sequence[int], sequence: int) -> object:
        """Return a batch with successive tokens of a sequence and logits for the last one."""
        count = len(tokens)
        return lib.llama_batch(
            count,
            (lib.llama_token * count)(*tokens),
            None,
            None,
            (ctypes.c_int32 * count)(*[1] * count),
            (ctypes.POINTER(lib.llama_seq_id) * count)(*[self._addresses[sequence]] * count),
            None,
        )

    def _address(self, sequence: int) -> object:
        offset = sequence * ctypes.sizeof(lib.llama_seq_id)
        return ctypes.pointer(lib.llama_seq_id.from_buffer(self._ids, offset))
