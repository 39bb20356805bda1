"""Nodes of llama.cpp's graph, as its callback shows them while a text is computed.

A node is a ``struct ggml_tensor`` of ggml.h, most of which no function of ggml gives. So its layout
is written down here, and compared with what ggml's own functions say before anything is read.
"""

import ctypes
import math
from abc import ABC, abstractmethod
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DistilError
from . import interrupts
from .bindings import call, lib

Array = NDArray[np.float32]

MATRIX_PRODUCT = "MUL_MAT"
"""The operation that multiplies its first source, mostly weights, with its second one."""

_DIMENSIONS = 4  # GGML_MAX_DIMS
_MOST_SOURCES = 10  # GGML_MAX_SRC
_PARAMETER_BYTES = 64  # GGML_MAX_OP_PARAMS
_NAME_BYTES = 64  # GGML_MAX_NAME
_MISSING = "a tensor"


class _Tensor(ctypes.Structure):
    """``struct ggml_tensor`` in ggml.h, up to its name."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * _DIMENSIONS),
        ("nb", ctypes.c_size_t * _DIMENSIONS),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * (_PARAMETER_BYTES // 4)),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * _MOST_SOURCES),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * _NAME_BYTES),
    )


class _InitParams(ctypes.Structure):
    """``ggml_init_params`` in ggml.h."""

    _fields_ = (
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    )


class Node:
    """A tensor that llama.cpp has computed, or computes with; it lives as long as its graph."""

    def __init__(self, address: int) -> None:
        """Take the address of the ``ggml_tensor``."""
        self.pointer = ctypes.c_void_p(address)
        self._header = _Tensor.from_address(address)

    @property
    def name(self) -> str:
        """As llama.cpp calls it, such as ``blk.0.ffn_up.weight`` or ``l_out-0``."""
        return str(call("ggml_get_name", ctypes.c_char_p, self.pointer).decode(errors="replace"))

    @property
    def operation(self) -> str:
        """What computes it, such as `MATRIX_PRODUCT`."""
        return str(call("ggml_op_desc", ctypes.c_char_p, self.pointer).decode(errors="replace"))

    @property
    def is_float(self) -> bool:
        """Whether its values are 32-bit floats."""
        return bool(self._header.type == lib.GGML_TYPE_F32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions, the slowest one first.

        Raises:
            DistilError: they are not what ggml's functions say.
        """
        shape = tuple(self._header.ne[::-1])
        if math.prod(shape) != call("ggml_nelements", ctypes.c_int64, self.pointer):
            raise unknown_layout(self.name)
        return shape

    def source(self, number: int) -> "Node":
        """Return a tensor that it is computed from.

        Raises:
            DistilError: there is none, or the layout of a tensor is not the known one.
        """
        check_layout()
        address = self._header.src[number]
        if not address:
            raise unknown_layout(self.name)
        return Node(address)

    def read(self) -> Array:
        """Return a copy of its values, with the slowest dimension first, from wherever they are.

        Raises:
            DistilError: they are not 32-bit floats, or not laid out as in ``ggml_tensor``.
        """
        shape, strides = self.shape, tuple(self._header.nb[::-1])
        size = call("ggml_nbytes", ctypes.c_size_t, self.pointer)
        spanned = sum((count - 1) * step for count, step in zip(shape, strides, strict=True)) + 4
        if not self.is_float or strides[-1] != 4 or spanned != size:
            raise unknown_layout(self.name)
        values = np.empty(size // 4, np.float32)
        call("ggml_backend_tensor_get", None, self.pointer, *_memory(values))
        return np.lib.stride_tricks.as_strided(values, shape, strides)

    def write(self, values: Array) -> None:
        """Put other values in place of its own.

        Raises:
            DistilError: they are not as many, or its own are not 32-bit floats in one piece.
        """
        part = np.ascontiguousarray(values, np.float32)
        size = call("ggml_nbytes", ctypes.c_size_t, self.pointer)
        if not self.is_float or size != part.nbytes or part.size != math.prod(self.shape):
            raise unknown_layout(self.name)
        call("ggml_backend_tensor_set", None, self.pointer, *_memory(part))


class Observer(ABC):
    """Sees every node that a context computes. A subclass says which it wants, and takes them.

    llama.cpp asks a callback (``cb_eval`` in llama.h) of every node of its graph whether it is
    wanted, and calls again when its values are there, before anything is computed from them.

    Attributes:
        callback: for ``cb_eval`` of the context's parameters; it lives as long as this object.
    """

    def __init__(self) -> None:
        """Want nothing yet."""
        interrupts.callback(self._see)
        self.callback = lib.ggml_backend_sched_eval_callback(self._see)
        self._error: Exception | None = None

    def check(self) -> None:
        """Raise what went wrong in the callback, where nothing can be raised."""
        error, self._error = self._error, None
        if error:
            raise error

    @abstractmethod
    def wants(self, node: Node) -> bool:
        """Return whether a node that is not computed yet is wanted."""

    @abstractmethod
    def take(self, node: Node) -> None:
        """Take a node that is computed; what this raises comes out of `check`."""

    def _see(self, address: int, asked: bool, _data: object) -> bool:
        """Answer llama.cpp: whether a node is wanted, or else whether to go on."""
        if self._error:
            return False
        node = Node(address)
        try:
            if asked:
                return self.wants(node)
            self.take(node)
        except Exception as error:
            self._error = error
        return self._error is None


@cache
def check_layout() -> None:
    """Make sure that this ggml has tensors as they are written down here.

    It makes a product of two matrices that is never computed, and looks for what is known of it.

    Raises:
        DistilError: they are different.
    """
    params = _InitParams(mem_size=2**16, mem_buffer=None, no_alloc=True)
    context = ctypes.c_void_p(call("ggml_init", ctypes.c_void_p, params))
    try:
        weights, inputs = (_matrix(context, 8, rows) for rows in (3, 5))
        call("ggml_set_name", ctypes.c_void_p, weights, ctypes.c_char_p(b"weights"))
        product = call("ggml_mul_mat", ctypes.c_void_p, context, weights, inputs)
        seen = [_known(each) for each in (weights, inputs, ctypes.c_void_p(product))]
    finally:
        call("ggml_free", None, context)
    none = (None,) * (_MOST_SOURCES - 2)
    expected = [
        ((8, 3, 1, 1), (4, 32, 96, 96), (None, None, *none), b"weights", "NONE"),
        ((8, 5, 1, 1), (4, 32, 160, 160), (None, None, *none), b"", "NONE"),
        ((3, 5, 1, 1), (4, 12, 60, 60), (weights.value, inputs.value, *none), b"", MATRIX_PRODUCT),
    ]
    if seen != expected:
        raise unknown_layout(_MISSING)


def unknown_layout(name: str) -> DistilError:
    """Return the error for a tensor that is not laid out as in the version that is known."""
    return DistilError(
        f"llama.cpp's tensor {name} does not have the expected form.",
        "Use the version of llama-cpp-python that distil was tested with.",
    )


def _matrix(context: ctypes.c_void_p, columns: int, rows: int) -> ctypes.c_void_p:
    sizes = (ctypes.c_int64(columns), ctypes.c_int64(rows))
    kind = ctypes.c_int(lib.GGML_TYPE_F32)
    return ctypes.c_void_p(call("ggml_new_tensor_2d", ctypes.c_void_p, context, kind, *sizes))


def _known(pointer: ctypes.c_void_p) -> tuple[object, ...]:
    """Return what is known beforehand of a tensor."""
    assert pointer.value
    header = _Tensor.from_address(pointer.value)
    description = call("ggml_op_desc", ctypes.c_char_p, pointer).decode()
    return tuple(header.ne), tuple(header.nb), tuple(header.src), header.name, description


def _memory(array: Array) -> tuple[Any, Any, Any]:
    """Return the address, the offset and the size that ggml's functions take."""
    return (
        ctypes.c_void_p(array.ctypes.data),
        ctypes.c_size_t(0),
        ctypes.c_size_t(array.nbytes),
    )
