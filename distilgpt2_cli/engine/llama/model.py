"""A model file, loaded: its vocabulary and its limits."""

import ctypes
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from types import TracebackType

from ...errors import DistilError, ModelDamagedError, UsageError
from . import aborts, bindings, interrupts, log, reports
from .adapters import AdaptedFile, Adapter
from .bindings import lib
from .fitting import no_room
from .placement import AUTO, CPU_ONLY, Offload, Placement
from .settings import BYTE_LEVEL, GPT2_PRE_TOKENIZER, PRE_TOKENIZER, load_file
from .stacks import with_stack_for

MAX_WINDOW = 8192
"""Tokens. The context window of a model trained on more than this, so that memory stays modest."""

_Piece = ctypes.c_char * 256  # longer ones are rare
_METADATA_BYTES = 256
# Each byte that UTF-8 has, none of them in a character that a vocabulary could have whole.
_EVERY_BYTE = b"".join(bytes([byte, 0x80]) for byte in range(0x80)) + bytes(
    [*range(0x81, 0xC0), *range(0xC2, 0xF5)]
)
_NOT_UTF8 = re.compile("([\udc80-\udcff]+)")  # as Python keeps such bytes in a string


class Model:
    """A GGUF file in memory. Close it, or use it as a context manager, before the process ends.

    Attributes:
        path: the file.
        adapters: what changes its weights.
        offload: where its layers were wanted.
        placement: where they are.
        contexts: how many contexts it has now.
        adapter_pointers: a ``llama_adapter_lora`` for each adapter.
        window: the most tokens that a text may have.
        width: numbers in a hidden state.
        layers: blocks between the embedding and the output layer.
        heads: of the attention of a block.
    """

    def __init__(self, path: str | os.PathLike[str], offload: Offload = AUTO) -> None:
        """Load the file.

        Args:
            path: a GGUF file; an `AdaptedFile` is loaded with its adapters.
            offload: where its layers are wanted.

        Raises:
            NoDeviceError: the placement asks for a device that isn't there.
            DeviceMemoryError: the devices have no room for what is wanted there.
            ModelDamagedError: llama.cpp can't load it, or it is not a causal language model; or an
                adapter is damaged, or does not fit it.
        """
        self._file = AdaptedFile.of(path)
        self.path = self._file.path
        self.adapters: tuple[Adapter, ...] = self._file.adapters
        self.offload = offload
        self.contexts = 0
        self.placement = Placement()
        self._load()
        self.vocabulary = lib.llama_model_get_vocab(self.pointer)
        self._tokenized: tuple[str | None, Sequence[int]] = (None, ())
        try:
            self._check()
            self._load_adapters()
        except DistilError:
            self.close()
            raise
        trained_on: int = lib.llama_model_n_ctx_train(self.pointer)
        self.window: int = min(trained_on, MAX_WINDOW)
        self.width: int = lib.llama_model_n_embd_out(self.pointer)
        self.layers: int = lib.llama_model_n_layer(self.pointer)
        self.heads: int = lib.llama_model_n_head(self.pointer)

    def _load(self) -> None:
        """Load the file; if a GPT-2 does not name its pre-tokenizer, with the one of GPT-2."""
        self._pre_tokenizer: str | None = None
        self._load_file()
        names_one = (
            self._metadata("tokenizer.ggml.model") != BYTE_LEVEL
            or self._metadata(PRE_TOKENIZER) is not None
        )
        is_gpt2 = self._metadata("general.architecture") == "gpt2"
        if is_gpt2 and not names_one:
            self.close()
            self._pre_tokenizer = GPT2_PRE_TOKENIZER
            self._load_file()
        self.placement = replace(
            self.placement,
            warnings=reports.warnings(
                self.path, log.warnings(), names_pre_tokenizer=names_one, is_gpt2=is_gpt2
            ),
        )

    def _load_file(self) -> None:
        """Load the file; what only a device refuses goes to the CPU if the placement allows it."""
        log.start()
        bindings.start_backend()
        aborts.install()
        self.pointer = load_file(self.path, self.offload, self._pre_tokenizer)
        self.placement = log.placement()
        if self.pointer:
            return
        reason = log.reason()
        if self.offload.layers != 0 and lib.llama_supports_gpu_offload():
            self._load_without_devices(reason)
        if not self.pointer:
            raise reports.refused(self.path, reason)
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
        self.pointer = load_file(self.path, CPU_ONLY, self._pre_tokenizer)
        self.placement = replace(log.placement(), refusal=reason)

    def _load_adapters(self) -> None:
        """Load the adapters, if there are any; llama.cpp frees them with the model.

        What it says of them is not about the model's file.
        """
        self.adapter_pointers: Sequence[object] = ()
        if not self.adapters:
            return
        from .adapter_loading import load_adapters

        self.adapter_pointers, found = load_adapters(self.pointer, self._file)
        warnings = dict.fromkeys([*self.placement.warnings, *found])
        self.placement = replace(self.placement, warnings=tuple(warnings))

    @property
    def adapter_scales(self) -> tuple[float, ...]:
        """The scale of each adapter where nobody asks for another one."""
        return tuple(adapter.scale for adapter in self.adapters)

    def adapter_text(self, number: int, key: str) -> str:
        """Return a text of an adapter's metadata; it is empty where the file has none."""
        value = ctypes.create_string_buffer(_METADATA_BYTES)
        pointer = self.adapter_pointers[number]
        lib.llama_adapter_meta_val_str(pointer, key.encode(), value, len(value))
        return value.value.decode(errors="replace")

    def leave_devices(self, reason: str) -> bool:
        """Move to the CPU what ``auto`` has put on devices, and return whether there was anything.

        Args:
            reason: why the devices won't do, kept in ``placement``.
        """
        if self.offload.layers != "auto" or not self.placement.is_on_device or self.contexts:
            return False
        warnings = self.placement.warnings
        self.close()
        self._load_without_devices(reason)
        self.placement = replace(self.placement, warnings=warnings)
        self.vocabulary = lib.llama_model_get_vocab(self.pointer)
        if self.pointer:
            self._load_adapters()
        return bool(self.pointer)

    def _check(self) -> None:
        """Make sure that it can continue any text.

        Raises:
            ModelDamagedError: it can't.
        """
        name = os.fspath(self.path)
        if lib.llama_vocab_type(self.vocabulary) == lib.LLAMA_VOCAB_TYPE_NONE:
            raise ModelDamagedError(
                f"{name} has no vocabulary, so it can't read or write text.",
                "Use the GGUF file of a language model.",
            )
        if self._is_no_causal_model():
            raise ModelDamagedError(
                f"{name} is not a causal language model, so it can't continue a text.",
                "Use the GGUF file of a model that generates text, such as DistilGPT2.",
            )
        trained_on = lib.llama_model_n_ctx_train(self.pointer)
        if trained_on < 1:  # from 2**31 on it comes as a negative number
            raise ModelDamagedError(
                f"{name} says that it needs a context of {trained_on % 2**32} tokens,"
                " which llama.cpp can't give.",
                "Check that it is a whole GGUF file of a language model, or download it again.",
            )
        error = reports.unusable_tokenizer(self.path)
        with aborts.expecting(error):
            tokens = self._tokenize_bytes(self._trial_text(), add_special=True)
        if any(not 0 <= token < self.vocabulary_size for token in tokens):
            raise error

    def _trial_text(self) -> bytes:
        """Return bytes on which a tokenizer fails if it fails on any."""
        if lib.llama_vocab_type(self.vocabulary) == lib.LLAMA_VOCAB_TYPE_RWKV:
            return b" \n\xff"  # llama.cpp takes up to a fifth of a second for each byte here
        return _EVERY_BYTE

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

    @cached_property
    def vocabulary_size(self) -> int:
        """Tokens."""
        return int(lib.llama_vocab_n_tokens(self.vocabulary))

    @property
    def start_token(self) -> int:
        """The token that stands before all text: ``<|endoftext|>`` (50256) in GPT-2."""
        token: int = lib.llama_vocab_bos(self.vocabulary)
        return token if token >= 0 else int(lib.llama_vocab_eos(self.vocabulary))

    @property
    def end_token(self) -> int | None:
        """The token that stands after a text, if the vocabulary has one."""
        token: int = lib.llama_vocab_eos(self.vocabulary)
        return token if token >= 0 else None

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
            last = self._tokenized = (text, self._tokenize(text, add_special=True))
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
            if _NOT_UTF8.fullmatch(part):
                tokens += map(self._byte_token, part.encode(errors="surrogateescape"))
            else:
                tokens += self._tokenize(part, parse_special=parse_special)
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
        self, text: str, *, add_special: bool = False, parse_special: bool = False
    ) -> Sequence[int]:
        def tokens() -> Sequence[int]:
            return self._tokenize_bytes(
                text.encode(), add_special=add_special, parse_special=parse_special
            )

        return with_stack_for(len(text), tokens) if self._may_recurse else tokens()

    @cached_property
    def _may_recurse(self) -> bool:
        """Whether llama.cpp may split texts by regular expressions; for GPT-2 it has a loop."""
        pre_tokenizer = self._pre_tokenizer or self._metadata(PRE_TOKENIZER)
        is_byte_level = lib.llama_vocab_type(self.vocabulary) == lib.LLAMA_VOCAB_TYPE_BPE
        return is_byte_level and pre_tokenizer != GPT2_PRE_TOKENIZER

    def _tokenize_bytes(
        self, data: bytes, *, add_special: bool = False, parse_special: bool = False
    ) -> Sequence[int]:
        capacity = len(data) + 2  # room for a start and an end token
        while True:
            tokens = (lib.llama_token * capacity)()
            count = lib.llama_tokenize(
                self.vocabulary, data, len(data), tokens, capacity, add_special, parse_special
            )
            if count >= 0:
                return list(tokens[:count])
            capacity = -count  # a vocabulary may have several tokens for a character

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
