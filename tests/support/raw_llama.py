"""llama.cpp through nothing but its C functions, for every position of a text.

A second way beside the engine: a context by hand, one batch, and what `llama.h` says about it.
"""

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from distilgpt2_cli.engine.llama.bindings import lib

PHYSICAL_BATCH = 512
"""Tokens evaluated at once, as in the engine."""


class Evaluation(NamedTuple):
    """What llama.cpp computes for each token of a text, in 32-bit floats.

    Attributes:
        logits: of the token after it, of the shape (tokens, vocabulary).
        hidden_states: after the final layer norm, of the shape (tokens, width).
    """

    logits: npt.NDArray[np.float32]
    hidden_states: npt.NDArray[np.float32]


class RawModel:
    """A model, and contexts as they are asked for.

    Attributes:
        pointer: of the model.
        vocabulary_size: tokens.
        width: of a hidden state.
    """

    def __init__(self, pointer: object) -> None:
        """Take a model that was loaded."""
        self.pointer = pointer
        self.vocabulary_size = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(pointer))
        self.width = lib.llama_model_n_embd(pointer)

    def evaluate(
        self, tokens: Sequence[int], cache: int = lib.GGML_TYPE_F16, threads: int = 1
    ) -> Evaluation:
        """Evaluate a text in one decode, with keys and values cached in a type of ggml."""
        count = len(tokens)
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = count
        params.n_ubatch = PHYSICAL_BATCH
        params.n_threads = params.n_threads_batch = threads
        params.type_k = params.type_v = cache
        params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.pooling_type = lib.LLAMA_POOLING_TYPE_NONE
        params.embeddings = True
        context = lib.llama_init_from_model(self.pointer, params)
        assert context, "llama_init_from_model returned NULL"
        try:
            status = lib.llama_decode(context, _batch(tokens))
            assert status == 0, f"llama_decode returned {status}"
            return Evaluation(
                _copy(lib.llama_get_logits(context), count, self.vocabulary_size),
                _copy(lib.llama_get_embeddings(context), count, self.width),
            )
        finally:
            lib.llama_free(context)


@contextmanager
def loaded(path: str | os.PathLike[str]) -> Iterator[RawModel]:
    """Load a model, and free it when the block ends."""
    pointer = lib.llama_model_load_from_file(os.fsencode(path), lib.llama_model_default_params())
    assert pointer, f"llama.cpp can't load {path}"
    try:
        yield RawModel(pointer)
    finally:
        lib.llama_model_free(pointer)


def _batch(tokens: Sequence[int]) -> object:
    """Return a batch of sequence 0 with an output for every token."""
    count = len(tokens)
    sequence = ctypes.pointer(lib.llama_seq_id(0))
    return lib.llama_batch(
        count,
        (lib.llama_token * count)(*tokens),
        None,
        (lib.llama_pos * count)(*range(count)),
        (ctypes.c_int32 * count)(*[1] * count),
        (ctypes.POINTER(lib.llama_seq_id) * count)(*[sequence] * count),
        (ctypes.c_int8 * count)(*[1] * count),
    )


def _copy(pointer: object, rows: int, columns: int) -> npt.NDArray[np.float32]:
    values = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float))  # type: ignore[arg-type]
    return np.ctypeslib.as_array(values, (rows, columns)).copy()
