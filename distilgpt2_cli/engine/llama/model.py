"""A model file, loaded: its vocabulary and its limits."""

import ctypes
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from types import TracebackType

from ...errors import ModelDamagedError, UsageError
from . import aborts, bindings, interrupts, log
from .bindings import lib
from .fitting import no_room
from .placement import AUTO, CPU_ONLY, Offload
from .settings import load_file

MAX_WINDOW = 8192
"""Tokens. The context window of a model trained on more than this, so that memory stays modest."""

_Piece = ctypes.c_char * 256  # longer ones are rare
_METADATA_BYTES = 256
_NOT_UTF8 = re.compile("([\udc80-\udcff]+)")  # as Python keeps such bytes in a string


class Model:
    """A GGUF file in memory. Close it, or use it as a context manager, before the process ends.

    Attributes:
        path: the file.
        offload: where its layers were wanted.
        placement: where they are.
        contexts: how many contexts it has now.
        vocabulary_size: tokens.
        window: the most tokens that a text may have.
        width: numbers in a hidden state.
    """

    def __init__(self, path: str | os.PathLike[str], offload: Offload = AUTO) -> None:
        """Load the file.

        Args:
            path: a GGUF file.
            offload: where its layers are wanted.

        Raises:
            NoDeviceError: the placement asks for a device that isn't there.
            DeviceMemoryError: the devices have no room for what is wanted there.
            ModelDamagedError: llama.cpp can't load it, or it is not a causal language model.
        """
        self.path = path
        self.offload = offload
        self.contexts = 0
        self._load()
        self.vocabulary = lib.llama_model_get_vocab(self.pointer)
        if lib.llama_vocab_type(self.vocabulary) == lib.LLAMA_VOCAB_TYPE_NONE:
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
        trained_on: int = lib.llama_model_n_ctx_train(self.pointer)
        if trained_on < 1:  # from 2**31 on it comes as a negative number
            self.close()
            raise ModelDamagedError(
                f"{os.fspath(path)} says that it needs a context of {trained_on % 2**32} tokens,"
                " which llama.cpp can't give.",
                "Check that it is a whole GGUF file of a language model, or download it again.",
            )
        self.vocabulary_size: int = lib.llama_vocab_n_tokens(self.vocabulary)
        self.window: int = min(trained_on, MAX_WINDOW)
        self.width: int = lib.llama_model_n_embd_out(self.pointer)
        self._tokenized: tuple[str | None, Sequence[int]] = (None, ())

    def _load(self) -> None:
        """Load the file; what only a device refuses goes to the CPU if the placement allows it."""
        log.start()
        bindings.start_backend()
        aborts.install()
        self.pointer = load_file(self.path, self.offload)
        self.placement = log.placement()
        if self.pointer:
            return
        reason = log.reason()
        if self.offload.layers != 0 and lib.llama_supports_gpu_offload():
            self._load_without_devices(reason)
        if not self.pointer:
            raise ModelDamagedError(
                f"llama.cpp can't load {os.fspath(self.path)}: {reason}.",
                "Check that it is a whole GGUF file of a language model, or download it again.",
            )
        if self.offload.layers != "auto":
            window: int = lib.llama_model_n_ctx_train(self.pointer)
            self.close()
            raise no_room(
                self.path,
                self.offload,
                self.placement.total_layers,
                min(window, MAX_WINDOW),
                reason,
            )

    def _load_without_devices(self, reason: str) -> None:
        log.start()
        self.pointer = load_file(self.path, CPU_ONLY)
        self.placement = replace(log.placement(), refusal=reason)

    def leave_devices(self, reason: str) -> bool:
        """Move to the CPU what ``auto`` has put on devices, and return whether there was anything.

        Args:
            reason: why the devices won't do, kept in ``placement``.
        """
        if self.offload.layers != "auto" or not self.placement.is_on_device or self.contexts:
            return False
        self.close()
        self._load_without_devices(reason)
        self.vocabulary = lib.llama_model_get_vocab(self.pointer)
        return bool(self.pointer)

    def _is_no_causal_model(self) -> bool:
        """Return whether it has an encoder, or sees the tokens after each (as in BERT)."""
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
        token: int = lib.llama_vocab_bos(self.vocabulary)
        return token if token >= 0 else int(lib.llama_vocab_eos(self.vocabulary))

    @property
    def added_start_token(self) -> int | None:
        """The token that the model wants before all text; None if it wants none, as GPT-2."""
        return self.start_token if lib.llama_vocab_get_add_bos(self.vocabulary) else None

    def shares_vocabulary(self, other: "Model") -> bool:
        """Return whether both have the same tokens under the same numbers."""
        return self.vocabulary_size == other.vocabulary_size and all(
            self.piece(token, special=True) == other.piece(token, special=True)
            for token in range(self.vocabulary_size)
        )

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens that stand for a text in a prompt.

        ``<|endoftext|>`` and its like are plain text. Some models put a start token before it.
        """
        last = self._tokenized  # several threads may be here
        if text != last[0]:
            last = self._tokenized = (text, self._tokenize(text.encode(), add_special=True))
        return list(last[1])

    def tokenize_bytes(self, data: bytes, *, parse_special: bool = False) -> list[int]:
        """Return the tokens of just these bytes, whose pieces spell them again.

        Bytes that are not UTF-8 become the tokens that stand for a single byte.

        Args:
            data: any bytes.
            parse_special: take ``<|endoftext|>`` and its like for the tokens of that name.

        Raises:
            UsageError: the model has no token for a byte that is not UTF-8.
        """
        tokens: list[int] = []
        for part in _NOT_UTF8.split(data.decode(errors="surrogateescape")):
            part_bytes = part.encode(errors="surrogateescape")
            if _NOT_UTF8.fullmatch(part):
                tokens += map(self._byte_token, part_bytes)
            else:
                tokens += self._tokenize(part_bytes, parse_special=parse_special)
        return tokens

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """Return the bytes of a token; of a control token its name if ``special``, else none."""
        piece = _Piece()  # one a call: several threads may be here
        while True:
            size = lib.llama_token_to_piece(self.vocabulary, token, piece, len(piece), 0, special)
            if size >= 0:
                return piece.raw[:size]
            piece = ctypes.create_string_buffer(-size)

    def ends_text(self, token: int) -> bool:
        """Return whether the token means that the text ends here."""
        return bool(lib.llama_vocab_is_eog(self.vocabulary, token))

    def _tokenize(
        self, data: bytes, *, add_special: bool = False, parse_special: bool = False
    ) -> Sequence[int]:
        capacity = len(data) + 2  # room for a start and an end token
        tokens = (lib.llama_token * capacity)()
        count = lib.llama_tokenize(
            self.vocabulary, data, len(data), tokens, capacity, add_special, parse_special
        )
        return list(tokens[:count])

    def _byte_token(self, byte: int) -> int:
        token = self._byte_tokens.get(bytes([byte]))
        if token is None:
            raise UsageError(
                f"The model's vocabulary has no token for the byte 0x{byte:02x}.",
                "Give it UTF-8 text, or use another model.",
            )
        return token

    @cached_property
    def _byte_tokens(self) -> dict[bytes, int]:
        pieces = ((self.piece(token), token) for token in range(self.vocabulary_size))
        return {piece: token for piece, token in pieces if len(piece) == 1}

    @cached_property
    def end_tokens(self) -> Sequence[int]:
        """Every token that means that the text ends here."""
        return [token for token in range(self.vocabulary_size) if self.ends_text(token)]

    def close(self) -> None:
        """Free the model. Its contexts must be closed before."""
        if self.pointer:
            with interrupts.held_back:
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
