"""llama.cpp's C interface as llama-cpp-python binds it: the one place that imports it."""

import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import Any

from ...errors import BindingsError

_PACKAGE = "llama_cpp"
_BINDINGS = "llama_cpp.llama_cpp"


def import_alone(module: str) -> ModuleType:
    """Import a module of the package without running the package's ``__init__``.

    That would import NumPy, Jinja2 and the high-level class, none of which the bindings need and
    which take several times as long as the bindings themselves. The package put in place for the
    moment is taken out again, so that a later ``import llama_cpp`` elsewhere gives the whole one.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or _PACKAGE in sys.modules:
        return importlib.import_module(module)
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(module)
    finally:
        del sys.modules[_PACKAGE]


def _load() -> ModuleType:
    try:
        try:
            return import_alone(_BINDINGS)
        except (ImportError, AttributeError):
            # A version of the package in which the bindings do need what __init__ defines.
            return importlib.import_module(_BINDINGS)
    except (ImportError, OSError, RuntimeError) as error:
        raise BindingsError(str(error)) from error


lib: Any = _load()
"""The functions and structures of ``llama.h``, under their own names."""


@cache
def start_backend() -> None:
    """Have llama.cpp prepare what all models share, once a process."""
    lib.llama_backend_init()


def call(name: str, result: Any, *arguments: Any) -> Any:
    """Call a function of ggml that the bindings do not declare.

    Args:
        name: as in its header.
        result: the type of what it returns, of ctypes, or None.
        arguments: objects of ctypes.
    """
    function = getattr(lib._lib, name)
    function.restype = result
    return function(*arguments)


def versions() -> dict[str, str]:
    """Return the versions of llama-cpp-python and of the llama.cpp that it carries."""
    from importlib import metadata  # it takes as long to import as the bindings

    return {
        "llama_cpp_python": metadata.version("llama-cpp-python"),
        "llama_cpp": lib.llama_version().decode(),
    }


def features() -> str:
    """Return the features of the processor that this build of llama.cpp uses."""
    return str(lib.llama_print_system_info().decode().strip())


def feature_names(of: str) -> list[str]:
    """Return the names in what `features` returns for a build's code for the processor."""
    parts = (part.split("=") for part in of.partition("CPU : ")[2].split("|") if "=" in part)
    return [name.strip() for name, value in parts if value.strip() != "0"]
