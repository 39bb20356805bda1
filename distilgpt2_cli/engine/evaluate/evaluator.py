"""Whole texts evaluated at once, with what the model says at every token of them."""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import NotANumberError
from ..llama import interrupts
from ..llama.bindings import lib
from ..llama.cores import usable_cores
from ..llama.micro_batches import FIRST_SPLIT_POSITION, parts
from ..llama.model import Model
from ..llama.native import NativeContext
from ..llama.nodes import Observer
from ..llama.settings import context_params

MAX_ROWS = 1024
"""Tokens evaluated by one call. It bounds the memory of the logits: 206 MB for GPT-2."""

Rows = NDArray[np.float32]
_SHORT = 128  # tokens
_Item = TypeVar("_Item")


class Evaluator(NativeContext):
    """Evaluates texts from their beginning. Close it, or use it as a context manager.

    Every text is evaluated by itself unless several are given at once, when each is a sequence of
    one batch. All are evaluated with flash attention unless it is switched off, in micro-batches
    whose results do not depend on the number of threads.

    Attributes:
        capacity: the tokens, of all texts together, that `logits_of_many` and
            `hidden_states_of_many` take.
        load_seconds: what loading the model and making the context took, where that is known.
    """

    def __init__(
        self,
        model: Model,
        size: int | None = None,
        threads: int | None = None,
        sequences: int = 1,
        *,
        hidden_states: bool = False,
        flash_attention: bool = True,
        taps: Observer | None = None,
    ) -> None:
        """Make room for texts of ``size`` tokens, by default of the model's whole window.

        Args:
            model: what to evaluate with.
            size: the tokens that a text may have.
            threads: by default as many as there are cores.
            sequences: the texts that may be evaluated at once.
            hidden_states: give hidden states, and no logits.
            flash_attention: compute without the matrices of attention; they are never in memory.
            taps: what is done with tensors meanwhile.

        Raises:
            UsageError: ``size`` is above the model's window, or there are too many sequences.
            DistilError: llama.cpp can't make the context, for want of memory for instance.
        """
        super().__init__(model, size)
        self.load_seconds = 0.0
        self.capacity = min(self.size, MAX_ROWS)
        self.sequences = sequences
        params = context_params(self.size, sequences, flash_attention=flash_attention)
        params.n_batch = max(self.capacity, sequences)
        params.n_outputs_max = params.n_batch
        # Texts of different lengths then go through the model together.
        params.kv_unified = True
        params.embeddings = hidden_states
        params.pooling_type = lib.LLAMA_POOLING_TYPE_NONE
        self._observer = taps  # of its callback, llama.cpp keeps the pointer only
        if taps:
            params.cb_eval = taps.callback
        self._open(params)
        self.threads = threads or usable_cores()
        self._use_threads(self.threads)
        self._hidden = hidden_states

    def logits(self, tokens: Sequence[int], wanted: int) -> Iterator[Rows]:
        """Evaluate a text and yield the logits after each of its last ``wanted`` tokens.

        They come in pieces of rows, one for each token of the vocabulary in a row, and a piece is
        overwritten by the next one.

        Raises:
            DistilError: llama.cpp can't.
        """
        first_wanted = len(tokens) - wanted
        for start, piece in self._pieces(tokens):
            skipped = min(max(first_wanted - start, 0), len(piece))
            rows = self._evaluate([piece], [skipped], start)
            if len(rows):
                yield rows

    def evaluate_last(self, tokens: Sequence[int]) -> None:
        """Evaluate the last token of a text; the others were evaluated just before.

        llama.cpp then has its logits as the newest ones.

        Raises:
            DistilError: llama.cpp can't.
        """
        # See `micro_batches` for why it may not be evaluated alone.
        start = len(tokens) - (2 if len(tokens) > FIRST_SPLIT_POSITION else 1)
        lib.llama_memory_seq_rm(self._memory, 0, start, -1)
        last = tokens[start:]
        self._evaluate([last], [len(last) - 1], start)

    def logits_of_many(self, texts: Sequence[Sequence[int]], skipped: Sequence[int]) -> Rows:
        """Evaluate several texts at once and return the logits of all, one text after another.

        The first ``skipped`` tokens of each text give none. The rows are valid until the next
        evaluation, and differ a little from those of each text by itself (docs/accuracy.md).

        Raises:
            DistilError: llama.cpp can't.
        """
        return self._evaluate(texts, skipped)

    def hidden_states(self, tokens: Sequence[int]) -> Rows:
        """Return the hidden states of a text after the final layer norm: tokens by width.

        Raises:
            NotANumberError: the states are NaN.
            DistilError: llama.cpp can't.
        """
        return np.concatenate(
            [
                _checked(self._evaluate([piece], [0], start)).copy()
                for start, piece in self._pieces(tokens)
            ]
        )

    def hidden_states_of_many(self, texts: Sequence[Sequence[int]]) -> list[Rows]:
        """Evaluate several texts at once and return the hidden states of each: tokens by width.

        Raises:
            NotANumberError: the states are NaN.
            DistilError: llama.cpp can't.
        """
        rows = _checked(self._evaluate(texts, [0] * len(texts))).copy()
        return np.split(rows, np.cumsum([len(text) for text in texts])[:-1])

    def _pieces(self, tokens: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Yield each part of a text whose results are taken at once, with its first position."""
        for part in parts(len(tokens), MAX_ROWS):
            yield part.start, tokens[part]

    def _evaluate(
        self, texts: Sequence[Sequence[int]], skipped: Sequence[int], position: int = 0
    ) -> Rows:
        """Evaluate tokens at the end of what the sequences hold up to a position.

        Returns:
            The results for all tokens but those that are skipped at the beginning of each text.
            They are valid until the next evaluation.
        """
        if position == 0:
            lib.llama_memory_clear(self._memory, False)
        tokens = _Tokens(texts, skipped, position)
        cuts = list(parts(len(tokens), self.capacity))
        found = []
        with self._computing():
            for part in cuts:
                self._decode(tokens.batch(part))
                rows = self._rows(tokens.wanted_in(part))
                found.append(rows if len(cuts) == 1 else rows.copy())
        return found[0] if len(found) == 1 else np.concatenate(found)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Let evaluations be left early; a subclass adds what else it needs meanwhile."""
        with interrupts.heeded(self.pointer):
            yield

    def _rows(self, count: int) -> Rows:
        if self._hidden:
            pointer, width = lib.llama_get_embeddings(self.pointer), self.model.width
        else:
            pointer, width = lib.llama_get_logits(self.pointer), self.model.vocabulary_size
        if not count:
            return np.empty((0, width), np.float32)
        return np.ctypeslib.as_array(pointer, (count, width))


class _Tokens:
    """The tokens of several texts, each a sequence, as ``llama_batch`` points to them."""

    def __init__(
        self, texts: Sequence[Sequence[int]], skipped: Sequence[int], position: int
    ) -> None:
        """Lay them out one text after another, all from the same position on."""
        lengths = [len(text) for text in texts]
        self._tokens = np.concatenate([np.asarray(text, np.int32) for text in texts])
        self._positions = np.concatenate(
            [np.arange(position, position + length, dtype=np.int32) for length in lengths]
        )
        self._wanted = np.concatenate(
            [np.arange(length) >= skip for length, skip in zip(lengths, skipped, strict=True)]
        ).astype(np.int8)
        self._numbers = np.arange(len(texts), dtype=np.int32)
        sequences = np.repeat(self._numbers, lengths).astype(np.uint64)
        self._ids = self._numbers.ctypes.data + sequences * 4
        self._counts = np.ones(len(self._tokens), np.int32)

    def __len__(self) -> int:
        return len(self._tokens)

    def wanted_in(self, part: slice) -> int:
        return int(self._wanted[part].sum())

    def batch(self, part: slice) -> object:
        """Return a part as a batch, which is valid as long as this object is."""
        return lib.llama_batch(
            part.stop - part.start,
            _pointer(self._tokens[part], lib.llama_token),
            None,
            _pointer(self._positions[part], lib.llama_pos),
            _pointer(self._counts[part], ctypes.c_int32),
            _pointer(self._ids[part], ctypes.POINTER(lib.llama_seq_id)),
            _pointer(self._wanted[part], ctypes.c_int8),
        )


def evaluator_for(model: Model, longest: int, threads: int | None) -> Evaluator:
    """Return one with room for texts of so many tokens, or of the model's window at most.

    Args:
        model: what evaluates.
        longest: the tokens of the longest text with what stands before it.
        threads: by default as many as there are cores for long texts, and one for short ones.

    Raises:
        DistilError: llama.cpp can't make the context.
    """
    return Evaluator(model, min(model.window, longest), threads_for(longest, threads))


def threads_for(longest: int, threads: int | None) -> int | None:
    """Return the threads of `evaluator_for`, whose arguments these are."""
    # Threads wait for each other by spinning. A short text gains little by a second one, and on
    # cores that others use too, it was found to take ten times as long and more.
    return 1 if threads is None and longest <= _SHORT else threads


def packed(
    items: Iterable[_Item], length: Callable[[_Item], int], capacity: int
) -> Iterator[list[_Item]]:
    """Yield items in groups whose lengths add up to at most ``capacity``.

    One that is longer by itself is a group of its own. An item is taken only when its group is
    the next one.
    """
    group: list[_Item] = []
    room = capacity
    for item in items:
        if group and length(item) > room:
            yield group
            group, room = [], capacity
        group.append(item)
        room -= length(item)
    if group:
        yield group


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))


def _checked(states: Rows) -> Rows:
    if not np.isfinite(states).all():
        raise NotANumberError
    return states
