"""The builds of llama-cpp-python, and the command that installs the right one on this machine."""

from collections.abc import Sequence

from .graphics import Adapter, adapters, cuda_version
from .installation import pip_install, requirement

WHEELS = "https://abetlen.github.io/llama-cpp-python/whl"
"""The index of prebuilt wheels; its folders are named after what they are built for."""
CUDA_WHEELS = ((11, 8), (12, 1), (12, 2), (12, 3), (12, 4), (12, 5), (13, 0), (13, 2))
"""Versions of CUDA for which there are wheels."""

_PACKAGE = "llama-cpp-python"
_CUDA = "-DGGML_CUDA=on"
_NO_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"  # as in tools/llama.cmake


def command_for_gpu() -> str | None:
    """Return the command that installs a build for this machine's GPU; None if it has none."""
    found = adapters()
    return _command_for(found) if found else None


def _command_for(found: Sequence[Adapter]) -> str:
    vendors = {adapter.vendor for adapter in found}
    if "Apple" in vendors:
        return wheel_command("metal")
    if "NVIDIA" in vendors:
        newest = cuda_version()
        fitting = [version for version in CUDA_WHEELS if newest and version <= newest]
        if fitting:
            major, minor = fitting[-1]
            return wheel_command(f"cu{major}{minor}")
        if newest:
            return source_command(_CUDA)
    return wheel_command("vulkan")


def wheel_command(folder: str) -> str:
    """Return the command that installs a prebuilt wheel, and fails if there is none."""
    return (
        f"{pip_install()} --force-reinstall --no-deps --no-cache-dir --only-binary llama-cpp-python"
        f" --extra-index-url {WHEELS}/{folder} {requirement(_PACKAGE)}"
    )


def source_command(arguments: str = "") -> str:
    """Return the command that compiles llama.cpp for this machine.

    Without ``--no-cache-dir`` pip would take what it compiled earlier, with other settings.
    """
    settings = f'CMAKE_ARGS="{arguments}" ' if arguments else ""
    return (
        f"{settings}{pip_install()} --force-reinstall --no-deps --no-cache-dir"
        f" --no-binary llama-cpp-python {requirement(_PACKAGE)}"
    )


def source_command_without_amx() -> str:
    """Return the command that compiles llama.cpp for this machine, but for its AMX instructions."""
    return f'CFLAGS="{_NO_AMX}" CXXFLAGS="{_NO_AMX}" {source_command()}'
