"""What in llama.cpp ends the process: checks that fail, and C++ exceptions that nobody catches.

Some values in a damaged file pass llama.cpp's loader and fail an assertion later, and some drivers
of GPUs notice only while they compute that their memory is full. ggml then calls what was
registered with ``ggml_set_abort_callback`` (ggml.h), and aborts. An exception, such as of a
tokenizer that looks for a token that is not there, ends in C++'s terminate handler.
"""

import ctypes
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import DeviceFailureError, DistilError, ModelDamagedError

_ASSERTION = re.compile(r"GGML_ASSERT\((.*)\) failed", re.DOTALL)
_DRIVER = re.compile(r"(?:CUDA|ROCm|MUSA) error")  # such as for want of memory
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_TERMINATE_HANDLER = ctypes.CFUNCTYPE(None)
_SET_TERMINATE = "_ZSt13set_terminatePFvvE"  # std::set_terminate, which libllama is linked with

_report: Callable[[DistilError], object] | None = None
_expected: DistilError | None = None


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
    library = getattr(lib, "_lib", None)
    for register, callback in (("ggml_set_abort_callback", _callback), (_SET_TERMINATE, _handler)):
        function: Any = getattr(library, register, None)
        if _report and function:
            function(callback)


@contextmanager
def expecting(error: DistilError) -> Iterator[None]:
    """Take an exception of C++ in the block for this error."""
    global _expected
    _expected = error
    try:
        yield
    finally:
        _expected = None


def _end(message: bytes) -> None:
    _end_with(_explain(message.decode(errors="replace")))


def _end_uncaught() -> None:
    _end_with(_expected or _explain_exception(_exception_type()))


def _end_with(error: DistilError) -> None:
    if _report:
        _report(error)
    os._exit(error.status)


def _exception_type() -> str:
    """Return the type of the C++ exception that is being handled, such as ``out_of_range``."""
    from .bindings import lib

    current = lib._lib.__cxa_current_exception_type
    current.restype = ctypes.c_void_p
    type_info = current()
    if not type_info:
        return "an unknown exception"
    # The name stands after the pointer to the virtual table: St and a length before std's own.
    name = ctypes.c_char_p.from_address(type_info + ctypes.sizeof(ctypes.c_void_p)).value or b""
    return re.sub(r"^St\d+", "std::", name.decode(errors="replace"))


def _explain_exception(name: str) -> DistilError:
    if name == "std::bad_alloc":
        return DistilError(
            "There is not enough memory.", "Close other programs, or use a smaller model."
        )
    return DistilError(
        f"llama.cpp ended with {name}.",
        "Report it as a bug of distil, with the command and the model.",
    )


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


# Only the pointers are kept there: the callbacks must live as long as the process.
_callback = _CALLBACK(_end)
_handler = _TERMINATE_HANDLER(_end_uncaught)
