"""DistilGPT2, or any other causal language model in a GGUF file, through llama.cpp's C interface.

Nothing here is loaded before it is used: the options of the command line are described without
llama.cpp.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bindings import versions
    from .context import Context
    from .devices import Device, NoDeviceError, list_devices
    from .evaluation import Evaluator
    from .features import FeatureExtractor
    from .fitting import DeviceMemoryError
    from .generation import Batch, Completion, Generator, Request, Token
    from .model import Model
    from .observation import Candidate, Observation, observe_next
    from .options import MAX_SEED, GenerationOptions, check_seed
    from .perplexity import Comparison, Perplexity, measure
    from .placement import Placement, Residence
    from .scoring import Score, ScoredText, Scorer
    from .session import open_evaluator, open_generator
    from .streaming import stream_tokens
    from .windows import Window, disjoint, sliding

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
    "Perplexity",
    "Placement",
    "Request",
    "Residence",
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
    "bindings": ("versions",),
    "context": ("Context",),
    "devices": (
        "Device",
        "NoDeviceError",
        "list_devices",
    ),
    "evaluation": ("Evaluator",),
    "features": ("FeatureExtractor",),
    "fitting": ("DeviceMemoryError",),
    "generation": (
        "Batch",
        "Completion",
        "Generator",
        "Request",
        "Token",
    ),
    "model": ("Model",),
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
    "perplexity": (
        "Comparison",
        "Perplexity",
        "measure",
    ),
    "placement": ("Placement", "Residence"),
    "scoring": ("Score", "ScoredText", "Scorer"),
    "session": (
        "open_evaluator",
        "open_generator",
    ),
    "streaming": ("stream_tokens",),
    "windows": (
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
