"""Scoring of a text by a GGUF model through llama.cpp's C bindings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import llama_cpp.llama_cpp as llama
import numpy as np

from tools.demo_model.vocabulary import Tokenizer, silence_log

CONTEXT_LENGTH = 512


class GgufModel:
    """A model and a context of ``CONTEXT_LENGTH`` positions.

    Args:
        path: GGUF file.
        threads: threads llama.cpp may use.

    Raises:
        RuntimeError: llama.cpp cannot load the file.
    """

    def __init__(self, path: Path, threads: int) -> None:
        """Load the model and create its context."""
        silence_log()
        self.tokenizer = Tokenizer(path)
        self._model = llama.llama_model_load_from_file(
            str(path).encode(), llama.llama_model_default_params()
        )
        if not self._model:
            raise RuntimeError(f"cannot load {path}")
        params = llama.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = CONTEXT_LENGTH
        params.n_threads = params.n_threads_batch = threads
        self._context = llama.llama_init_from_model(self._model, params)
        if not self._context:
            raise RuntimeError(f"cannot create a context for {path}")
        self._batch = llama.llama_batch_init(CONTEXT_LENGTH, 0, 1)

    def close(self) -> None:
        """Free the batch, the context and the model."""
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._context)
        llama.llama_model_free(self._model)

    def negative_log_likelihood(self, text: Sequence[int]) -> float:
        """Return -ln P(text[1:] | text[0]), in nats.

        Raises:
            RuntimeError: llama.cpp cannot evaluate the text.
        """
        batch = self._batch
        batch.n_tokens = len(text) - 1
        for i, token in enumerate(text[:-1]):
            batch.token[i] = token
            batch.pos[i] = i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = True
        llama.llama_memory_clear(llama.llama_get_memory(self._context), True)
        if llama.llama_decode(self._context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        shape = (len(text) - 1, self.tokenizer.size)
        logits = np.ctypeslib.as_array(llama.llama_get_logits(self._context), shape)
        highest = logits.max(axis=1)
        normalizers = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
        chosen = logits[np.arange(shape[0]), list(text[1:])]
        return float((normalizers - chosen).sum())
