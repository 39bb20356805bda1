"""What distil asks of llama.cpp for every model and every context."""

import ctypes
import os
from typing import Any

from ...errors import UsageError
from . import devices
from .bindings import lib
from .micro_batches import PHYSICAL_BATCH
from .placement import Offload

PRE_TOKENIZER = "tokenizer.ggml.pre"
"""The key of a file's metadata that says how texts are split before they are tokenized."""
BYTE_LEVEL, GPT2_PRE_TOKENIZER = "gpt2", "gpt-2"
"""The tokenizer of GPT-2 and of many others, and how GPT-2's texts are split."""


def load_file(
    path: str | os.PathLike[str], offload: Offload, pre_tokenizer: str | None = None
) -> Any:
    """Return a ``llama_model``, or None if llama.cpp can't load the file so.

    Args:
        path: a GGUF file.
        offload: where its layers are wanted.
        pre_tokenizer: by its name in llama.cpp, instead of what the file says.

    Raises:
        NoDeviceError: the placement names a device that isn't there.
    """
    params = lib.llama_model_default_params()
    chosen = devices.chosen(offload)
    params.devices = chosen if chosen is None else ctypes.addressof(chosen)
    params.n_gpu_layers = offload.layers if isinstance(offload.layers, int) else -1
    if pre_tokenizer:
        overrides = (lib.llama_model_kv_override * 2)()  # one without a key ends them
        overrides[0].tag = lib.LLAMA_KV_OVERRIDE_TYPE_STR
        overrides[0].key = PRE_TOKENIZER.encode()
        overrides[0].value.val_str = pre_tokenizer.encode()
        params.kv_overrides = overrides
    return lib.llama_model_load_from_file(os.fsencode(path), params)


def context_params(size: int, sequences: int, *, flash_attention: bool) -> Any:
    """Return the settings of a context for ``size`` tokens in so many sequences.

    Args:
        size: tokens of all sequences together.
        sequences: how many there are.
        flash_attention: it is quicker, and gives other logits; see `micro_batches`.

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
    params.flash_attn_type = (
        lib.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash_attention else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    params.no_perf = True
    return params
