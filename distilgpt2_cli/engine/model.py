"""A model file, loaded: its vocabulary and its limits."""

import ctypes
import os
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType

from ..errors import ModelDamagedError
from . import aborts, log
from .bindings import lib

MAX_WINDOW = 8192
"""Tokens. The context window of a model trained on more than this, so that memory stays modest."""

_PIECE_BYTES = 256
_METADATA_BYTES = 256

lib.llama_backend_init()


class Model:
    """A GGUF file in memory. Close it, or use it as a context manager, before the process ends."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Load the file.

        Raises:
            ModelDamagedError: llama.cpp can't load it, or it is no causal language model.
        """
        log.start()
        aborts.install()
        self.pointer = lib.llama_model_load_from_file(
            os.fsencode(path), lib.llama_model_default_params()
        )
        if not self.pointer:
            raise ModelDamagedError(
                f"llama.cpp can't load {os.fspath(path)}: {log.reason()}.",
                "Check that it is a whole GGUF file of a language model, or download it again.",
            )
        self._vocabulary = lib.llama_model_get_vocab(self.pointer)
        if lib.llama_vocab_type(self._vocabulary) == lib.LLAMA_VOCAB_TYPE_NONE:
            self.close()
            raise ModelDamagedError(
                f"{os.fspath(path)} has no vocabulary, so it can't read or write text.",
                "Use the GGUF file of a language model.",
            )
        if self._is_no_causal_model():
            self.close()
            raise ModelDamagedError(
                f"{os.fspath(path)} is not a causal language model, so it can't continue a text.",
                "Use the GGUF file of a model that generates text, such as DistilGPT2.",
            )
        self.vocabulary_size: int = lib.llama_vocab_n_tokens(self._vocabulary)
        self.window: int = min(lib.llama_model_n_ctx_train(self.pointer), MAX_WINDOW)
        self._piece = ctypes.create_string_buffer(_PIECE_BYTES)
        self._tokenized: tuple[str | None, Sequence[int]] = (None, ())

    def _is_no_causal_model(self) -> bool:
        """Tell whether it has an encoder, or sees the tokens after each (as in BERT)."""
        if lib.llama_model_has_encoder(self.pointer) or not lib.llama_model_has_decoder(
            self.pointer
        ):
            return True
        architecture = self._metadata("general.architecture")
        return self._metadata(f"{architecture}.attention.causal") == "false"

    def _metadata(self, key: str) -> str | None:
        """Return a value of the file's metadata as llama.cpp writes it out."""
        value = ctypes.create_string_buffer(_METADATA_BYTES)
        size = lib.llama_model_meta_val_str(self.pointer, key.encode(), value, len(value))
        return value.value.decode(errors="replace") if size >= 0 else None

    @property
    def start_token(self) -> int:
        """The token that stands before all text: ``<|endoftext|>`` (50256) in GPT-2."""
        token: int = lib.llama_vocab_bos(self._vocabulary)
        return token if token >= 0 else int(lib.llama_vocab_eos(self._vocabulary))

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a text, in which ``<|endoftext|>`` and its like are plain text."""
        if text == self._tokenized[0]:
            return list(self._tokenized[1])
        data = text.encode()
        capacity = len(data) + 2  # room for a start and an end token
        tokens = (lib.llama_token * capacity)()
        count = lib.llama_tokenize(self._vocabulary, data, len(data), tokens, capacity, True, False)
        self._tokenized = (text, tokens[:count])
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token, nothing for a control token."""
        size = lib.llama_token_to_piece(
            self._vocabulary, token, self._piece, len(self._piece), 0, False
        )
        if size < 0:
            self._piece = ctypes.create_string_buffer(-size)
            return self.piece(token)
        return self._piece.raw[:size]

    def ends_text(self, token: int) -> bool:
        """Return whether the token means that the text ends here."""
        return bool(lib.llama_vocab_is_eog(self._vocabulary, token))

    @cached_property
    def end_tokens(self) -> Sequence[int]:
        """Every token that means that the text ends here."""
        return [token for token in range(self.vocabulary_size) if self.ends_text(token)]

    def close(self) -> None:
        """Free the model. Its contexts must be closed before."""
        if self.pointer:
            lib.llama_model_free(self.pointer)
            self.pointer = None

    def __enter__(self) -> "Model":
        """Return the model itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the model."""
        self.close()
