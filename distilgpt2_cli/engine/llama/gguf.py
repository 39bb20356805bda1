"""The header of a GGUF file: its metadata and its tensors, as llama.cpp itself reads them.

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

SHORT_ARRAY = 16
"""Elements. The values of a longer array are left out."""

_REMEDY = "Check that it is a whole GGUF file of a language model, or download it again."
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


class _InitParams(ctypes.Structure):
    """``gguf_init_params``: without a context to fill, only the header is read."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


_GGUF = ctypes.c_void_p
_INDEX = ctypes.c_int64


@contextmanager
def opened(path: str | os.PathLike[str], remedy: str = _REMEDY) -> Iterator[ctypes.c_void_p]:
    """Read a file's header.

    Args:
        path: a GGUF file.
        remedy: what to do if it can't be read, as a sentence.

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
            remedy,
        )
    gguf = _GGUF(address)
    try:
        yield gguf
    finally:
        call("gguf_free", None, gguf)


def metadata_of(gguf: ctypes.c_void_p) -> Iterator[tuple[str, Scalar | Array]]:
    """Yield the keys of an opened file with their values."""
    for index in map(_INDEX, range(call("gguf_get_n_kv", ctypes.c_int64, gguf))):
        key = _text(call("gguf_get_key", ctypes.c_char_p, gguf, index))
        kind = _type_name(call("gguf_get_kv_type", ctypes.c_int, gguf, index))
        yield key, _array(gguf, index) if kind == "arr" else _value(gguf, index, kind)


def type_of(gguf: ctypes.c_void_p, key: str) -> str | None:
    """Return the type of a value of the metadata, by its name; None if it is not there."""
    index = _INDEX(call("gguf_find_key", ctypes.c_int64, gguf, ctypes.c_char_p(key.encode())))
    if index.value < 0:
        return None
    return _type_name(call("gguf_get_kv_type", ctypes.c_int, gguf, index))


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


def read_tensors(path: str | os.PathLike[str]) -> tuple[Tensor, ...]:
    """Return the tensors that a model file names, without loading it; also of one in parts.

    Raises:
        ModelDamagedError: llama.cpp can't read its header.
    """
    with opened(path) as gguf:
        return tuple(all_tensors(path, gguf, dict(metadata_of(gguf))))


def all_tensors(
    path: str | os.PathLike[str], gguf: ctypes.c_void_p, metadata: Mapping[str, Scalar | Array]
) -> Iterator[Tensor]:
    """Yield the tensors of a file, and of those that follow if the model is split."""
    yield from tensors_of(gguf)
    count = metadata.get("split.count", 1)
    prefix, name = (ctypes.create_string_buffer(_PATH_BYTES) for _ in range(2))
    for number in range(1, count if isinstance(count, int) else 1):
        lib.llama_split_prefix(prefix, _PATH_BYTES, os.fsencode(path), 0, count)
        lib.llama_split_path(name, _PATH_BYTES, prefix.value, number, count)
        with opened(os.fsdecode(name.value)) as part:
            yield from tensors_of(part)


def tensors_of(gguf: ctypes.c_void_p) -> Iterator[Tensor]:
    """Yield the tensors of an opened file, in its order."""
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
