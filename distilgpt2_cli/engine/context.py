"""The working memory of a model: the tokens evaluated so far and the logits after the last one."""

import ctypes
import os
from collections.abc import Sequence
from types import TracebackType

from ..errors import DistilError, UsageError
from . import log
from .bindings import lib
from .model import Model

MAX_THREADS = 4
"""Threads used unless told otherwise: llama.cpp's own default (GGML_DEFAULT_N_THREADS)."""

# Tokens evaluated at once. The logits depend on where a prompt is cut, so this never changes.
_PHYSICAL_BATCH = 512


def default_threads() -> int:
    """Return the number of threads used unless told otherwise: the cores we may use, at most 4."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MAX_THREADS)
    return min(os.cpu_count() or 1, MAX_THREADS)


class Context:
    """One sequence of tokens under evaluation. Close it, or use it as a context manager."""

    def __init__(self, model: Model, size: int | None = None, threads: int | None = None) -> None:
        """Make room for ``size`` tokens, by default for the model's whole window.

        Raises:
            UsageError: ``size`` is above the model's window, which llama.cpp can't survive.
            DistilError: llama.cpp can't make the context, for want of memory for instance.
        """
        self.model = model
        self.size = model.window if size is None else size
        self.position = 0
        if not 0 < self.size <= model.window:
            raise UsageError(
                f"A context of {self.size} tokens does not fit this model.",
                f"Use a size from 1 to {model.window}.",
            )
        threads = threads or default_threads()
        params = lib.llama_context_default_params()
        params.n_ctx = self.size
        params.n_batch = self.size
        params.n_ubatch = _PHYSICAL_BATCH
        params.n_threads = params.n_threads_batch = threads
        # Chosen by llama.cpp otherwise, and the logits are not the same with it and without.
        params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.no_perf = True
        log.start()
        self.pointer = lib.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise DistilError(
                f"llama.cpp can't make a context of {self.size} tokens: {log.reason()}.",
                "Free some memory, or use a smaller model.",
            )
        self._memory = lib.llama_get_memory(self.pointer)
        self._token = (lib.llama_token * 1)()
        self._single = lib.llama_batch_get_one(self._token, 1)

    def evaluate(self, tokens: Sequence[int]) -> None:
        """Evaluate several tokens after those already here; their last one's logits are kept.

        Raises:
            DistilError: llama.cpp can't.
        """
        array = (lib.llama_token * len(tokens))(*tokens)
        self._decode(lib.llama_batch_get_one(array, len(tokens)), len(tokens))

    def evaluate_one(self, token: int) -> None:
        """Evaluate one token after those already here.

        Raises:
            DistilError: llama.cpp can't.
        """
        self._token[0] = token
        self._decode(self._single, 1)

    def rewind(self, position: int) -> None:
        """Forget all tokens from this position on; the logits stay those of the last evaluation."""
        lib.llama_memory_seq_rm(self._memory, 0, position, -1)
        self.position = position

    def copy_logits(self) -> ctypes.Array[ctypes.c_float]:
        """Return a copy of the logits, one for each token of the vocabulary."""
        logits = (ctypes.c_float * self.model.vocabulary_size)()
        ctypes.memmove(logits, lib.llama_get_logits_ith(self.pointer, -1), ctypes.sizeof(logits))
        return logits

    def restore_logits(self, logits: ctypes.Array[ctypes.c_float]) -> None:
        """Put logits copied earlier back in place, so that they can be sampled from again."""
        ctypes.memmove(lib.llama_get_logits_ith(self.pointer, -1), logits, ctypes.sizeof(logits))

    def close(self) -> None:
        """Free the context."""
        if self.pointer:
            lib.llama_free(self.pointer)
            self.pointer = None

    def _decode(self, batch: object, count: int) -> None:
        status = lib.llama_decode(self.pointer, batch)
        if status != 0:
            raise DistilError(
                f"llama.cpp can't evaluate the text (llama_decode returned {status}): "
                f"{log.reason()}.",
                "Free some memory, or use a smaller model.",
            )
        self.position += count

    def __enter__(self) -> "Context":
        """Return the context itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the context."""
        self.close()
