"""What a build of llama.cpp can do on this machine, by its own word and by trying."""

import os
import time
from dataclasses import asdict
from typing import Any

from .llama.bindings import features, lib, versions
from .llama.cores import usable_cores
from .llama.devices import backends, list_devices
from .llama.placement import Offload
from .options import GenerationOptions
from .session import open_generator

_PROMPT = "Once upon a time"


def facts() -> dict[str, Any]:
    """Return versions, backends, devices, used features of the processor, and usable cores."""
    lib.llama_backend_init()
    return {
        "versions": versions(),
        "backends": backends(),
        "devices": [asdict(device) for device in list_devices()],
        "features": used_features(),
        "cores": usable_cores(),
    }


def used_features() -> list[str]:
    """Return what of the processor this build has code for, in llama.cpp's names."""
    cpu = features().partition("CPU : ")[2]
    parts = (part.split("=") for part in cpu.split("|") if "=" in part)
    return [name.strip() for name, value in parts if value.strip() != "0"]


def generate_for(path: str | os.PathLike[str], seconds: float, offload: Offload) -> dict[str, Any]:
    """Generate for so many seconds, and return how fast that was and where.

    Raises:
        DistilError: it can't be done.
    """
    options = GenerationOptions(max_tokens=-1, ignore_eos=True)
    with open_generator(path, options, offload=offload) as generator:
        completion = generator.complete(_PROMPT, seed=0)
        start = time.perf_counter()
        for _ in completion:
            if time.perf_counter() - start > seconds:
                break
        passed = time.perf_counter() - start
        context = generator.context
        return {
            "tokens": completion.token_count,
            "seconds": round(passed, 3),
            "tokens_per_second": round(completion.token_count / passed, 1),
            "threads": context.threads,
            "layers": dict(context.placement.layers),
            "device_bytes": dict(context.placement.device_bytes),
            "refusal": context.placement.refusal,
        }
