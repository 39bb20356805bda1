"""The checks in llama.cpp whose failure ends the process.

Some values in a damaged file pass llama.cpp's loader and fail an assertion later, and some drivers
of GPUs notice only while they compute that their memory is full. ggml then calls what was
registered with ``ggml_set_abort_callback`` (ggml.h), and aborts.
"""

import ctypes
import os
import re
from collections.abc import Callable

from ...errors import DeviceFailureError, DistilError, ModelDamagedError

_ASSERTION = re.compile(r"GGML_ASSERT\((.*)\) failed", re.DOTALL)
_DRIVER = re.compile(r"(?:CUDA|ROCm|MUSA) error")  # such as for want of memory
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_char_p)

_report: Callable[[DistilError], object] | None = None


def report_aborts(report: Callable[[DistilError], object]) -> None:
    """From the next model on, have ``report`` called where llama.cpp gives up, instead of a crash.

    For programs: the process ends at once, with the error's status.
    """
    global _report
    _report = report


def install() -> None:
    """Put what `report_aborts` was given into effect, if it was."""
    from .bindings import lib

    # A later version of the bindings may be laid out differently; then a crash is a crash.
    register = getattr(getattr(lib, "_lib", None), "ggml_set_abort_callback", None)
    if _report and register:
        register(_callback)


def _end(message: bytes) -> None:
    error = _explain(message.decode(errors="replace"))
    if _report:
        _report(error)
    os._exit(error.status)


def _explain(message: str) -> DistilError:
    from . import log  # it needs llama.cpp, which is loaded by now

    if driver := _DRIVER.search(message):
        return DeviceFailureError(f"llama.cpp gave up on the GPU: {driver[0]}: {log.reason()}.")
    assertion = _ASSERTION.search(message)
    reason = f"its check `{assertion[1]}` failed" if assertion else message
    return ModelDamagedError(
        f"llama.cpp gave up on the model: {reason}.",
        "Check that it is a whole GGUF file of a language model, or download it again.",
    )


# ggml keeps the pointer only: the callback must live as long as the process.
_callback = _CALLBACK(_end)
