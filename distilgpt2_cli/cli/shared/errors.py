"""Errors as the command line words them: the library names parameters, and a user types options."""

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import (
    BindingsError,
    DeviceConflictError,
    DeviceFailureError,
    DeviceMemoryError,
    DistilError,
    NoDeviceError,
    ParameterError,
    TextTooLongError,
)
from ...terminal import Terminal

_Sentences = tuple[str, str]


def show_error(terminal: Terminal, error: DistilError, place: str = "") -> None:
    """Print an error on standard error, after what says where in the input it is."""
    what, remedy = sentences(error)
    terminal.failure(DistilError(place + what, remedy))


def sentences(error: DistilError) -> _Sentences:
    """Return what happened and what to do next, with options of the command line."""
    worded = _BY_TYPE.get(type(error))
    return worded(error) if worded else (error.what, error.remedy)


def _of_parameter(error: ParameterError) -> _Sentences:
    if error.parameter == "stop":
        return "--stop is empty, which stands before every text.", "Give it a text."
    if error.parameter == "size":
        return f"--window can't be {error.value} with this method.", f"Use {error.allowed}."
    if error.parameter == "scale":
        return f"The scale of --lora can't be {error.value}.", f"Use {error.allowed}."
    if error.parameter == "adapters":
        return f"--lora can't name {error.value} adapters.", f"Use {error.allowed}."
    option = _OPTIONS.get(error.parameter) or "--" + error.parameter.replace("_", "-")
    return f"{option} can't be {error.value}.", f"Use {error.allowed}."


def _of_missing_device(error: NoDeviceError) -> _Sentences:
    wanted = f"--device {error.device}" if error.device else f"--gpu-layers {error.layers}"
    if error.available:
        remedy = "Use one of these devices, or --gpu-layers auto."
    else:
        from .offload import remedy_without_device  # it needs llama.cpp

        remedy = remedy_without_device()
    return f"{wanted} can't be obeyed: {error.situation}.", remedy


def _of_device_memory(error: DeviceMemoryError) -> _Sentences:
    count = error.fitting_layers
    if count:
        return error.what, f"Use --gpu-layers {count}, the most that fits."
    return error.what, "Use --gpu-layers none: no layer fits."


def _of_bindings(error: BindingsError) -> _Sentences:
    from ...machine.builds import source_command

    return error.what, f"Install it again: {source_command()}"


_OPTIONS = {"layers": "--gpu-layers"}
"""Options that are not called as the library's parameters are."""

_BY_TYPE: Mapping[type[DistilError], Callable[[Any], _Sentences]] = {
    ParameterError: _of_parameter,
    BindingsError: _of_bindings,
    TextTooLongError: lambda error: (error.what, "Shorten it, or use --overflow overlap."),
    DeviceConflictError: lambda error: (
        f"--gpu-layers {error.layers} leaves nothing for --device {error.device}.",
        error.remedy,
    ),
    NoDeviceError: _of_missing_device,
    DeviceMemoryError: _of_device_memory,
    DeviceFailureError: lambda error: (error.what, "Use fewer --gpu-layers, or none."),
}
