"""DistilGPT2, or any other causal language model in a GGUF file, through llama.cpp's C interface.

Nothing here is loaded before it is used: the options of the command line are described without
llama.cpp.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluate.evaluator import Evaluator
    from .evaluate.features import FeatureExtractor
    from .evaluate.perplexity import Comparison, Perplexity, measure
    from .evaluate.scoring import Score, ScoredText, Scorer
    from .evaluate.streaming import stream_tokens
    from .evaluate.windows import Window, disjoint, sliding
    from .generation import Batch, Completion, Generator, Request, Token
    from .llama.bindings import versions
    from .llama.context import Context
    from .llama.devices import Device, NoDeviceError, list_devices
    from .llama.fitting import DeviceMemoryError
    from .llama.model import Model
    from .llama.placement import Offload, Placement
    from .observation import Candidate, Observation, observe_next
    from .options import MAX_SEED, GenerationOptions, check_seed
    from .session import open_evaluator, open_generator

__all__ = [
    "MAX_SEED",
    "Batch",
    "Candidate",
    "Comparison",
    "Completion",
    "Context",
    "Device",
    "DeviceMemoryError",
    "Evaluator",
    "FeatureExtractor",
    "GenerationOptions",
    "Generator",
    "Model",
    "NoDeviceError",
    "Observation",
    "Offload",
    "Perplexity",
    "Placement",
    "Request",
    "Score",
    "ScoredText",
    "Scorer",
    "Token",
    "Window",
    "check_seed",
    "disjoint",
    "list_devices",
    "measure",
    "observe_next",
    "open_evaluator",
    "open_generator",
    "sliding",
    "stream_tokens",
    "versions",
]

_ROOMS = {
    "llama.bindings": ("versions",),
    "llama.context": ("Context",),
    "llama.devices": (
        "Device",
        "NoDeviceError",
        "list_devices",
    ),
    "evaluate.evaluator": ("Evaluator",),
    "evaluate.features": ("FeatureExtractor",),
    "llama.fitting": ("DeviceMemoryError",),
    "generation": (
        "Batch",
        "Completion",
        "Generator",
        "Request",
        "Token",
    ),
    "llama.model": ("Model",),
    "observation": (
        "Candidate",
        "Observation",
        "observe_next",
    ),
    "options": (
        "MAX_SEED",
        "GenerationOptions",
        "check_seed",
    ),
    "evaluate.perplexity": (
        "Comparison",
        "Perplexity",
        "measure",
    ),
    "llama.placement": ("Offload", "Placement"),
    "evaluate.scoring": ("Score", "ScoredText", "Scorer"),
    "session": (
        "open_evaluator",
        "open_generator",
    ),
    "evaluate.streaming": ("stream_tokens",),
    "evaluate.windows": (
        "Window",
        "disjoint",
        "sliding",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)
