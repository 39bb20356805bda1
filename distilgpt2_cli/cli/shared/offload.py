"""Where the model of a command computes: the options, and the messages about it."""

from typing import TYPE_CHECKING, Annotated

import typer

from ...engine.llama.placement import Offload
from ...terminal import Terminal

if TYPE_CHECKING:
    from ...engine.llama.placement import Placement

GPU_LAYERS = "DISTIL_GPU_LAYERS"
"""The environment variable that stands for ``--gpu-layers``."""

GpuLayers = Annotated[
    str,
    typer.Option(
        "--gpu-layers",
        envvar=GPU_LAYERS,
        metavar="N",
        help="Layers to compute on the GPU: auto, all, none or a number.",
    ),
]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="GPU to use, as named by distil doctor; can be repeated.",
        show_default="llama.cpp's choice",
    ),
]


def parse_offload(gpu_layers: str, devices: list[str] | None) -> Offload:
    """Return where the options want the layers.

    Raises:
        UsageError: an option is not valid.
        NoDeviceError: they ask for a device that does not exist; names the build that supports it.
    """
    offload = Offload.parse(gpu_layers, tuple(devices or ()))
    if offload.asks_for_device:
        from ...engine.llama.devices import chosen

        chosen(offload)
    return offload


def remedy_without_device() -> str:
    """Return what to do if a GPU is wanted and llama.cpp finds none."""
    from ...engine.llama.devices import backends
    from ...machine.builds import command_for_gpu

    drivers = {
        "CUDA": "Check the driver with `nvidia-smi`. Make sure CUDA_VISIBLE_DEVICES is not empty.",
        "ROCm": "Check the driver with `rocminfo`. Make sure HIP_VISIBLE_DEVICES is not empty.",
        "Vulkan": "Check the driver with `vulkaninfo --summary` (Debian: `apt install vulkan-tools"
        " mesa-vulkan-drivers`). A driver that runs on the CPU is only used with"
        " GGML_VK_VISIBLE_DEVICES=0.",
    }
    for backend in backends():
        if backend in drivers:
            return drivers[backend]
    command = command_for_gpu()
    if command is None:
        return "distil finds no GPU in this machine: leave out the option."
    return f"Install the build for this machine's GPU with: {command}"


def offload_arguments(offload: Offload) -> list[str]:
    """Return the command-line options for an offload."""
    arguments = ["--gpu-layers", str(offload.layers)]
    for device in offload.devices:
        arguments += ["--device", device]
    return arguments


def notice_loading(terminal: Terminal, placement: "Placement") -> None:
    """Report what is odd about the file, and that the GPU refused the model, if it did."""
    terminal.end_waiting()
    for warning in placement.warnings:
        terminal.notice(warning)
    if placement.refusal:
        terminal.notice(
            f"The model could not be loaded on the GPU ({placement.refusal}), so it is on the CPU."
            " Use --gpu-layers all to see how many layers fit."
        )
