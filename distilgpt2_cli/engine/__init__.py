"""DistilGPT2, or any other causal language model in a GGUF file, through llama.cpp's C interface.

Nothing here is loaded before it is used: the options of the command line are described without
llama.cpp.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bindings import versions
    from .context import Context
    from .generation import Batch, Completion, Generator, Request, Token
    from .model import Model
    from .options import MAX_SEED, GenerationOptions, check_seed
    from .session import open_generator

__all__ = [
    "MAX_SEED",
    "Batch",
    "Completion",
    "Context",
    "GenerationOptions",
    "Generator",
    "Model",
    "Request",
    "Token",
    "check_seed",
    "open_generator",
    "versions",
]

_ROOMS = {
    "Batch": "generation",
    "Completion": "generation",
    "Context": "context",
    "Generator": "generation",
    "Model": "model",
    "Request": "generation",
    "Token": "generation",
    "open_generator": "session",
    "versions": "bindings",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    room = _ROOMS.get(name, "options")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{room}", __name__), name)
