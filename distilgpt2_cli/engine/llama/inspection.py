"""What a model file is: its tensors and metadata, as llama.cpp itself reads them.

The functions of ``gguf.h`` and ``ggml.h`` are exported by the libraries that the bindings load, but
not bound by them. They are declared here.
"""

import ctypes
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import ModelDamagedError
from . import log
from .bindings import call, lib
from .model import MAX_WINDOW, Model
from .placement import CPU_ONLY

SHORT_ARRAY = 16
"""Elements. The values of a longer array are left out."""

_PATH_BYTES = 4096  # PATH_MAX on Linux
_DIMENSIONS = 4  # GGML_MAX_DIMS in ggml.h
_NUMBERS: Mapping[str, Any] = {
    "u8": ctypes.c_uint8,
    "i8": ctypes.c_int8,
    "u16": ctypes.c_uint16,
    "i16": ctypes.c_int16,
    "u32": ctypes.c_uint32,
    "i32": ctypes.c_int32,
    "u64": ctypes.c_uint64,
    "i64": ctypes.c_int64,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
    "bool": ctypes.c_bool,
}
"""The C type of each number in the metadata, by its name in ``gguf_type_name``."""

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Array:
    """An array in the metadata.

    Attributes:
        type: of its elements, as llama.cpp names it: ``str``, ``i32`` and so on.
        length: how many there are.
        values: all of them, or None if there are more than `SHORT_ARRAY`.
    """

    type: str
    length: int
    values: Sequence[Scalar] | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the file.

    Attributes:
        name: such as ``blk.0.attn_qkv.weight``.
        type: how its elements are stored, as ggml names it: ``f32``, ``q4_K`` and so on.
        shape: in ggml's order, in which the first dimension is the one of neighbours in memory.
        bytes: that it takes in the file.
    """

    name: str
    type: str
    shape: Sequence[int]
    bytes: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class TensorType:
    """All tensors of one type together."""

    type: str
    tensors: int
    elements: int
    bytes: int

    @classmethod
    def of(cls, name: str, tensors: Sequence[Tensor]) -> "TensorType":
        """Sum up tensors."""
        return cls(
            name,
            len(tensors),
            sum(tensor.elements for tensor in tensors),
            sum(tensor.bytes for tensor in tensors),
        )

    @property
    def bits_per_weight(self) -> float:
        """Bits that an element takes, with the scales of its block."""
        return 8 * self.bytes / self.elements if self.elements else 0.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file says of the model in it.

    Attributes:
        architecture: such as ``gpt2``.
        quantization: the name of the mix of types that the file calls its own, such as ``Q4_K_M``;
            None if llama.cpp has no name for it.
        context_window: tokens that the model was trained on.
        usable_window: tokens of these that distil makes room for.
        layers: blocks of attention and feed-forward.
        width: numbers in a hidden state.
        heads: of attention, in a layer.
        vocabulary_size: tokens.
        tokenizer: its algorithm.
        tensors: in the file's order.
        warnings: sentences about it: what llama.cpp warned of when it was loaded.
        metadata: all keys and values, in the file's order. A text ends at a null character, as it
            does for llama.cpp, and has U+FFFD in place of what is not UTF-8.
    """

    architecture: str
    quantization: str | None
    context_window: int
    usable_window: int
    layers: int
    width: int
    heads: int
    vocabulary_size: int
    tokenizer: str
    tensors: Sequence[Tensor]
    warnings: Sequence[str]
    metadata: Mapping[str, Scalar | Array]

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return self.total.elements

    @property
    def tensor_types(self) -> Sequence[TensorType]:
        """The types that tensors are stored in, the one with most bytes first."""
        by_type: dict[str, list[Tensor]] = {}
        for tensor in self.tensors:
            by_type.setdefault(tensor.type, []).append(tensor)
        types = [TensorType.of(name, tensors) for name, tensors in by_type.items()]
        return sorted(types, key=lambda kind: kind.bytes, reverse=True)

    @property
    def total(self) -> TensorType:
        """All tensors together."""
        return TensorType.of("total", self.tensors)


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Load a model file, and return what it is.

    It is loaded whole, so that what can be inspected can be used.

    Raises:
        ModelDamagedError: llama.cpp can't load it, or it is not a causal language model.
    """
    with Model(path, CPU_ONLY) as model, _opened(path) as gguf:
        pointer = model.pointer
        window = lib.llama_model_n_ctx_train(pointer)
        metadata = dict(_metadata(gguf))
        return Inspection(
            architecture=str(metadata.get("general.architecture")),
            quantization=_quantization(lib.llama_model_ftype(pointer)),
            context_window=window,
            usable_window=min(window, MAX_WINDOW),
            layers=lib.llama_model_n_layer(pointer),
            width=lib.llama_model_n_embd(pointer),
            heads=lib.llama_model_n_head(pointer),
            vocabulary_size=model.vocabulary_size,
            tokenizer=_tokenizer(lib.llama_vocab_type(lib.llama_model_get_vocab(pointer))),
            tensors=tuple(_all_tensors(path, gguf, metadata)),
            warnings=model.placement.warnings,
            metadata=metadata,
        )


def read_tensors(path: str | os.PathLike[str]) -> tuple[Tensor, ...]:
    """Return the tensors that a model file names, without loading it; also of one in parts.

    Raises:
        ModelDamagedError: llama.cpp can't read its header.
    """
    with _opened(path) as gguf:
        return tuple(_all_tensors(path, gguf, dict(_metadata(gguf))))


def _quantization(file_type: int) -> str | None:
    """Return the short name of a ``llama_ftype``."""
    file_type &= ~lib.LLAMA_FTYPE_GUESSED  # set where the file itself does not say
    names = (name for name, value in vars(lib).items() if value == file_type)
    constants = (name for name in names if name.startswith("LLAMA_FTYPE_"))
    return next((name.split("_", 3)[3] for name in constants), None)  # after ALL or MOSTLY


def _tokenizer(vocabulary_type: int) -> str:
    """Return what llama.h says of a ``llama_vocab_type``."""
    names = {
        lib.LLAMA_VOCAB_TYPE_SPM: "SentencePiece BPE with byte fallback",
        lib.LLAMA_VOCAB_TYPE_BPE: "byte-level BPE",
        lib.LLAMA_VOCAB_TYPE_WPM: "WordPiece",
        lib.LLAMA_VOCAB_TYPE_UGM: "Unigram",
        lib.LLAMA_VOCAB_TYPE_RWKV: "greedy",
        lib.LLAMA_VOCAB_TYPE_PLAMO2: "Aho-Corasick",
    }
    return names.get(vocabulary_type, "unknown")


class _InitParams(ctypes.Structure):
    """``gguf_init_params``: without a context to fill, only the header is read."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


_GGUF = ctypes.c_void_p
_INDEX = ctypes.c_int64


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[ctypes.c_void_p]:
    """Read a file's header.

    Raises:
        ModelDamagedError: llama.cpp can't.
    """
    log.start()
    address = call(
        "gguf_init_from_file",
        _GGUF,
        ctypes.c_char_p(os.fsencode(path)),
        _InitParams(no_alloc=True, ctx=None),
    )
    if not address:
        raise ModelDamagedError(
            f"llama.cpp can't read {os.fspath(path)}: {log.reason()}.",
            "Check that it is a whole GGUF file of a language model, or download it again.",
        )
    gguf = _GGUF(address)
    try:
        yield gguf
    finally:
        call("gguf_free", None, gguf)


def _metadata(gguf: ctypes.c_void_p) -> Iterator[tuple[str, Scalar | Array]]:
    for index in map(_INDEX, range(call("gguf_get_n_kv", ctypes.c_int64, gguf))):
        key = _text(call("gguf_get_key", ctypes.c_char_p, gguf, index))
        kind = _type_name(call("gguf_get_kv_type", ctypes.c_int, gguf, index))
        yield key, _array(gguf, index) if kind == "arr" else _value(gguf, index, kind)


def _value(gguf: ctypes.c_void_p, index: ctypes.c_int64, kind: str) -> Scalar:
    if kind == "str":
        return _text(call("gguf_get_val_str", ctypes.c_char_p, gguf, index))
    return _number(call(f"gguf_get_val_{kind}", _NUMBERS[kind], gguf, index), kind)


def _array(gguf: ctypes.c_void_p, index: ctypes.c_int64) -> Array:
    kind = _type_name(call("gguf_get_arr_type", ctypes.c_int, gguf, index))
    length = call("gguf_get_arr_n", ctypes.c_size_t, gguf, index)
    values = tuple(_elements(gguf, index, kind, length)) if length <= SHORT_ARRAY else None
    return Array(kind, length, values)


def _elements(
    gguf: ctypes.c_void_p, index: ctypes.c_int64, kind: str, length: int
) -> Iterator[Scalar]:
    if kind == "str":
        for place in map(ctypes.c_size_t, range(length)):
            yield _text(call("gguf_get_arr_str", ctypes.c_char_p, gguf, index, place))
    elif length:
        address = call("gguf_get_arr_data", ctypes.c_void_p, gguf, index)
        for number in (_NUMBERS[kind] * length).from_address(address):
            yield _number(number, kind)


def _all_tensors(
    path: str | os.PathLike[str], gguf: ctypes.c_void_p, metadata: Mapping[str, Scalar | Array]
) -> Iterator[Tensor]:
    """Yield the tensors of a file, and of those that follow if the model is split."""
    yield from _tensors(gguf)
    count = metadata.get("split.count", 1)
    prefix, name = (ctypes.create_string_buffer(_PATH_BYTES) for _ in range(2))
    for number in range(1, count if isinstance(count, int) else 1):
        lib.llama_split_prefix(prefix, _PATH_BYTES, os.fsencode(path), 0, count)
        lib.llama_split_path(name, _PATH_BYTES, prefix.value, number, count)
        with _opened(os.fsdecode(name.value)) as part:
            yield from _tensors(part)


def _tensors(gguf: ctypes.c_void_p) -> Iterator[Tensor]:
    dimensions = ctypes.POINTER(ctypes.c_int64 * _DIMENSIONS)
    for index in map(_INDEX, range(call("gguf_get_n_tensors", ctypes.c_int64, gguf))):
        kind = call("gguf_get_tensor_type", ctypes.c_int, gguf, index)
        yield Tensor(
            name=_text(call("gguf_get_tensor_name", ctypes.c_char_p, gguf, index)),
            type=_text(call("ggml_type_name", ctypes.c_char_p, ctypes.c_int(kind))),
            shape=_shape(call("gguf_get_tensor_ne", dimensions, gguf, index).contents),
            bytes=call("gguf_get_tensor_size", ctypes.c_size_t, gguf, index),
        )


def _shape(sizes: Sequence[int]) -> Sequence[int]:
    """Return the sizes without the ones that ggml fills the last dimensions with."""
    used = max((place for place, size in enumerate(sizes, 1) if size != 1), default=1)
    return tuple(sizes)[:used]


def _type_name(kind: int) -> str:
    return _text(call("gguf_type_name", ctypes.c_char_p, ctypes.c_int(kind)))


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _number(value: float, kind: str) -> Scalar:
    """Return a number; a 32-bit float as the shortest decimal that stands for it, such as 1e-05."""
    if kind != "f32" or not math.isfinite(value):
        return value
    decimals = (float(f"{value:.{digits}g}") for digits in range(1, 10))  # 9 digits always do
    return next(decimal for decimal in decimals if ctypes.c_float(decimal).value == value)
