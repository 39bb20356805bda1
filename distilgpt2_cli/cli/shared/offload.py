"""Where the model of a command computes: the options, and what is said of it."""

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
        help="Layers to compute on a GPU: auto, all, none or a number.",
    ),
]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="A GPU as distil doctor names it; may be given several times.",
        show_default="llama.cpp's choice",
    ),
]


def parse_offload(gpu_layers: str, devices: list[str] | None) -> Offload:
    """Return where the options want the layers.

    Raises:
        UsageError: they can't be understood.
        NoDeviceError: they ask for a device that isn't there.
    """
    offload = Offload.parse(gpu_layers, tuple(devices or ()))
    if offload.asks_for_device:
        from ...engine.llama.devices import chosen

        chosen(offload)
    return offload


def remedy_without_device() -> str:
    """Return what to do where a GPU is wanted and llama.cpp sees none."""
    from ...engine.llama.devices import backends
    from ...machine.builds import command_for_gpu

    drivers = {
        "CUDA": "Check the driver with `nvidia-smi`, and that CUDA_VISIBLE_DEVICES is not empty.",
        "ROCm": "Check the driver with `rocminfo`, and that HIP_VISIBLE_DEVICES is not empty.",
        "Vulkan": "Check the driver with `vulkaninfo --summary` (Debian: `apt install vulkan-tools"
        " mesa-vulkan-drivers`); a driver that computes on the CPU counts only with"
        " GGML_VK_VISIBLE_DEVICES=0.",
    }
    for backend in backends():
        if backend in drivers:
            return drivers[backend]
    command = command_for_gpu()
    if command is None:
        return "There is no GPU in this machine that distil knows of: leave the option out."
    return f"Install the build for this machine's GPU: {command}"


def offload_arguments(offload: Offload) -> list[str]:
    """Return the options that mean the same."""
    arguments = ["--gpu-layers", str(offload.layers)]
    for device in offload.devices:
        arguments += ["--device", device]
    return arguments


def notice_refusal(terminal: Terminal, placement: "Placement") -> None:
    """Say that the model is on the CPU although there is a device, if that is so."""
    if placement.refusal:
        terminal.notice(
            f"The GPU did not take the model ({placement.refusal}): it is on the CPU."
            " --gpu-layers all says how many layers would fit."
        )
