"""What llama.cpp can compute with here: the backends of its build, and the devices that they see.

The functions are those of ``ggml-backend.h``, which the bindings do not declare.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import NoDeviceError
from . import log
from .bindings import call, lib, versions
from .placement import Offload

_GPU, _INTEGRATED_GPU = 1, 2  # GGML_BACKEND_DEVICE_TYPE_GPU and _IGPU
_NAMES = {
    "blas": "BLAS",
    "cann": "CANN",
    "cpu": "CPU",
    "cuda": "CUDA",
    "hip": "ROCm",
    "metal": "Metal",
    "musa": "MUSA",
    "opencl": "OpenCL",
    "rpc": "RPC",
    "sycl": "SYCL",
    "vulkan": "Vulkan",
    "webgpu": "WebGPU",
}
"""How people call the backends, by the names of their libraries."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that layers can go to.

    Attributes:
        name: such as ``CUDA0``, by which it is chosen.
        description: such as ``NVIDIA GeForce RTX 4060``.
        backend: what drives it, such as ``CUDA``.
        free_bytes: of its memory, as the driver reports it.
        total_bytes: of its memory.
    """

    name: str
    description: str
    backend: str
    free_bytes: int
    total_bytes: int


def list_devices() -> list[Device]:
    """Return the devices, other than the CPU, that this build sees on this machine."""
    return [_describe(pointer) for pointer in _gpus()]


def backends() -> list[str]:
    """Return the backends that this build has, whether or not they find a device."""
    folder = Path(lib.__file__).parent / "lib"
    stems = {path.name.split(".")[0].removeprefix("lib") for path in folder.glob("*ggml-*")}
    kinds = {stem.removeprefix("ggml-").split("-")[0] for stem in stems} - {"base"}
    return sorted(_NAMES.get(kind, kind) for kind in kinds | {"cpu"})


def chosen(offload: Offload) -> Any:
    """Return the devices of a placement for ``llama_model_params.devices``, None for any.

    Raises:
        NoDeviceError: one is asked for that isn't there.
    """
    if offload.layers == 0:
        return _pointers([])
    if not offload.asks_for_device:
        return None
    available = {_text("name", pointer).casefold(): pointer for pointer in _gpus()}
    missing = [name for name in offload.devices if name.casefold() not in available]
    if missing or not available:
        seen = list_devices()
        raise NoDeviceError(
            missing[0] if missing else None,
            offload.layers,
            _situation(seen),
            [device.name for device in seen],
        )
    if not offload.devices:
        return None
    return _pointers([available[name.casefold()] for name in offload.devices])


def _situation(seen: Sequence[Device]) -> str:
    names = ", ".join(f"{device.name} ({device.description})" for device in seen)
    return (
        f"llama-cpp-python {versions()['llama_cpp_python']} is built for {' and '.join(backends())}"
        f" here, and sees {names or 'no GPU'}"
    )


def _gpus() -> list[ctypes.c_void_p]:
    log.start()  # a backend that finds nothing says so when it is first asked
    count = call("ggml_backend_dev_count", ctypes.c_size_t)
    pointers = [
        ctypes.c_void_p(call("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t(index)))
        for index in range(count)
    ]
    return [
        pointer
        for pointer in pointers
        if call("ggml_backend_dev_type", ctypes.c_int, pointer) in (_GPU, _INTEGRATED_GPU)
    ]


def _describe(pointer: ctypes.c_void_p) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    call("ggml_backend_dev_memory", None, pointer, ctypes.byref(free), ctypes.byref(total))
    registry = call("ggml_backend_dev_backend_reg", ctypes.c_void_p, pointer)
    backend = call("ggml_backend_reg_name", ctypes.c_char_p, ctypes.c_void_p(registry))
    return Device(
        _text("name", pointer),
        _text("description", pointer),
        backend.decode(errors="replace"),
        free.value,
        total.value,
    )


def _text(what: str, pointer: ctypes.c_void_p) -> str:
    value: bytes = call(f"ggml_backend_dev_{what}", ctypes.c_char_p, pointer)
    return value.decode(errors="replace")


def _pointers(values: Sequence[ctypes.c_void_p]) -> Any:
    """Return an array that a null pointer ends; llama.cpp reads it while it loads the model."""
    return (ctypes.c_void_p * (len(values) + 1))(*values, None)
