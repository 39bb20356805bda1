"""Tensors of llama.cpp's graph, copied or replaced while it computes a text.

llama.cpp asks a callback (``cb_eval`` in llama.h) of every node of its graph whether it is wanted,
and calls again when its values are there: before anything is computed from them, so that other
values can be put in their place. They may be on a device. A text longer than a micro-batch is
computed in parts, and each name then comes once for each part.
"""

import ctypes
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DistilError
from . import interrupts
from .bindings import call, lib

Array = NDArray[np.float32]
Receiver = Callable[[Array], None]

_DIMENSIONS = 4  # GGML_MAX_DIMS


class _Tensor(ctypes.Structure):
    """The beginning of ``struct ggml_tensor`` in ggml.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * _DIMENSIONS),
    )


class Taps:
    """What a context does with tensors, by their names in llama.cpp (src/models/gpt2.cpp).

    Attributes:
        callback: for ``cb_eval`` of the context's parameters; it lives as long as this object.
    """

    def __init__(self) -> None:
        """Copy and replace nothing."""
        interrupts.callback(self._see)
        self.callback = lib.ggml_backend_sched_eval_callback(self._see)
        self._receivers: Mapping[str, Receiver] = {}
        self._replaced: dict[str, Array] = {}
        self._error: Exception | None = None

    @contextmanager
    def receiving(
        self, receivers: Mapping[str, Receiver], replaced: Mapping[str, Array] | None = None
    ) -> Iterator[None]:
        """Give copies of tensors to receivers, and replace others, while the block runs.

        Args:
            receivers: by the name of the tensor, which comes with its slowest dimension first.
            replaced: by the name of the tensor, the rows of a whole text.

        Raises:
            DistilError: a tensor has other values than 32-bit floats, or another size. What a
                receiver raised is raised too, when llama.cpp has returned.
        """
        self._receivers, self._replaced = receivers, dict(replaced or {})
        try:
            yield
        finally:
            self._receivers, self._replaced = {}, {}
        self.check()

    def check(self) -> None:
        """Raise what went wrong in the callback, where nothing can be raised."""
        error, self._error = self._error, None
        if error:
            raise error

    def _see(self, address: int, asked: bool, _data: object) -> bool:
        """Answer llama.cpp: whether a tensor is wanted, or else whether to go on."""
        if self._error or not (self._receivers or self._replaced):
            return False
        tensor = ctypes.c_void_p(address)
        name = call("ggml_get_name", ctypes.c_char_p, tensor).decode(errors="replace")
        if asked:
            return name in self._receivers or name in self._replaced
        try:
            self._handle(name, tensor)
        except Exception as error:
            self._error = error
        return self._error is None

    def _handle(self, name: str, tensor: ctypes.c_void_p) -> None:
        shape = _shape(name, tensor)
        if name in self._replaced:
            rest = self._replaced[name]
            count = shape[-2]
            part = np.ascontiguousarray(rest[:count], np.float32)
            if part.size != np.prod(shape):
                raise _unknown_layout(name)
            call("ggml_backend_tensor_set", None, tensor, *_memory(part))
            self._replaced[name] = rest[count:]
        if name in self._receivers:
            values = np.empty(shape, np.float32)
            call("ggml_backend_tensor_get", None, tensor, *_memory(values))
            self._receivers[name](values)


def _shape(name: str, tensor: ctypes.c_void_p) -> tuple[int, ...]:
    """Return a tensor's dimensions, the slowest one first, as ggml's functions confirm them."""
    assert tensor.value
    header = _Tensor.from_address(tensor.value)
    shape = tuple(header.ne[::-1])
    count = call("ggml_nelements", ctypes.c_int64, tensor)
    size = call("ggml_nbytes", ctypes.c_size_t, tensor)
    floats = header.type == lib.GGML_TYPE_F32 and size == 4 * count
    if not floats or int(np.prod(shape)) != count:
        raise _unknown_layout(name)
    return shape


def _memory(array: Array) -> tuple[Any, Any, Any]:
    """Return the address, the offset and the size that ggml's functions take."""
    return (
        ctypes.c_void_p(array.ctypes.data),
        ctypes.c_size_t(0),
        ctypes.c_size_t(array.nbytes),
    )


def _unknown_layout(name: str) -> DistilError:
    return DistilError(
        f"llama.cpp's tensor {name} does not have the expected form.",
        "Use the version of llama-cpp-python that distil was tested with.",
    )
