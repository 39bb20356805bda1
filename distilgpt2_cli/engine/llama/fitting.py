"""How many layers a device has room for."""

import os
from dataclasses import replace
from typing import Any

from ...errors import DeviceMemoryError
from . import interrupts
from .bindings import lib
from .devices import list_devices
from .placement import Offload
from .settings import context_params, load_file


def no_room(
    path: str | os.PathLike[str],
    offload: Offload,
    layers: int,
    size: int,
    reason: str,
    params: Any = None,
) -> DeviceMemoryError:
    """Return the error that says how many layers would fit.

    Args:
        path: the model's file; nothing of it may be loaded any more.
        offload: what was wanted.
        layers: all that the model has.
        size: tokens of the context.
        reason: llama.cpp's own word.
        params: the settings of the context, if it is known what is done with the model.
    """
    wanted = offload.layers if isinstance(offload.layers, int) else layers
    wanted = min(wanted, layers)
    most = _most_layers(
        path, offload, wanted, params or context_params(size, 1, flash_attention=False)
    )
    names = offload.devices or [device.name for device in list_devices()]
    return DeviceMemoryError(
        f"{' and '.join(names)} can't take {wanted} of {layers} layers with a context of {size}"
        f" tokens: {reason}.",
        most,
    )


def _most_layers(path: str | os.PathLike[str], offload: Offload, too_many: int, params: Any) -> int:
    """Try one number of layers after another: only the driver knows what it will refuse."""
    fits = 0
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _fits(path, replace(offload, layers=middle), params):
            fits = middle
        else:
            too_many = middle
    return fits


def _fits(path: str | os.PathLike[str], offload: Offload, params: Any) -> bool:
    with interrupts.held_back:
        model = load_file(path, offload)
        if not model:
            return False
        context = lib.llama_init_from_model(model, params)
        if context:
            lib.llama_free(context)
        lib.llama_model_free(model)
        return bool(context)
