"""What distil asks of llama.cpp for every model and every context."""

import ctypes
import os
from typing import Any

from ...errors import UsageError
from . import devices
from .bindings import lib
from .placement import Offload

# Tokens evaluated at once. The logits depend on where a text is cut, so this never changes.
PHYSICAL_BATCH = 512


def load_file(path: str | os.PathLike[str], offload: Offload) -> Any:
    """Return a ``llama_model``, or None if llama.cpp can't load the file so.

    Raises:
        NoDeviceError: the placement names a device that isn't there.
    """
    params = lib.llama_model_default_params()
    chosen = devices.chosen(offload)
    params.devices = chosen if chosen is None else ctypes.addressof(chosen)
    params.n_gpu_layers = offload.layers if isinstance(offload.layers, int) else -1
    return lib.llama_model_load_from_file(os.fsencode(path), params)


def context_params(size: int, sequences: int) -> Any:
    """Return the settings of a context for ``size`` tokens in so many sequences.

    Raises:
        UsageError: there are more sequences than llama.cpp can evaluate together.
    """
    most = lib.llama_max_parallel_sequences()
    if not 0 < sequences <= most:
        raise UsageError(
            f"{sequences} sequences can't be evaluated together.",
            f"Use a number from 1 to {most}.",
        )
    params = lib.llama_context_default_params()
    params.n_ctx = size
    params.n_seq_max = sequences
    params.n_ubatch = PHYSICAL_BATCH
    # Chosen by llama.cpp otherwise, and the logits are not the same with it and without.
    params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.no_perf = True
    return params
