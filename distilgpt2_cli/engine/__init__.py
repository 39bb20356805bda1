"""DistilGPT2, or any other causal language model in a GGUF file, through llama.cpp's C interface.

Nothing here is loaded before it is used: the options of the command line are described without
llama.cpp.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..errors import DeviceMemoryError as DeviceMemoryError
    from ..errors import NoDeviceError as NoDeviceError
    from .batch import Batch as Batch
    from .batch import Completions as Completions
    from .candidates import observe_next as observe_next
    from .completion import Completion as Completion
    from .evaluate.comparing import Estimate as Estimate
    from .evaluate.comparing import ReferenceComparison as ReferenceComparison
    from .evaluate.comparing import Spread as Spread
    from .evaluate.evaluator import Evaluator as Evaluator
    from .evaluate.features import FeatureExtractor as FeatureExtractor
    from .evaluate.inside import Inside as Inside
    from .evaluate.inside import Lens as Lens
    from .evaluate.inside import look_inside as look_inside
    from .evaluate.perplexity import Perplexity as Perplexity
    from .evaluate.perplexity import measure as measure
    from .evaluate.perplexity import measure_each as measure_each
    from .evaluate.scoring import Score as Score
    from .evaluate.scoring import ScoredText as ScoredText
    from .evaluate.scoring import Scorer as Scorer
    from .evaluate.streaming import stream_tokens as stream_tokens
    from .evaluate.windows import Window as Window
    from .evaluate.windows import disjoint as disjoint
    from .evaluate.windows import sliding as sliding
    from .generator import Generator as Generator
    from .llama.adapters import AdaptedFile as AdaptedFile
    from .llama.adapters import Adapter as Adapter
    from .llama.bindings import versions as versions
    from .llama.context import Context as Context
    from .llama.devices import Device as Device
    from .llama.devices import list_devices as list_devices
    from .llama.model import Model as Model
    from .llama.placement import Offload as Offload
    from .llama.placement import Placement as Placement
    from .options import MAX_SEED as MAX_SEED
    from .options import GenerationOptions as GenerationOptions
    from .options import check_seed as check_seed
    from .options import completion_seed as completion_seed
    from .options import draw_seed as draw_seed
    from .records import Candidate as Candidate
    from .records import FinishReason as FinishReason
    from .records import Observation as Observation
    from .records import Request as Request
    from .records import Token as Token
    from .session import open_evaluator as open_evaluator
    from .session import open_generator as open_generator

_EXPORTS = {
    "..errors": ("DeviceMemoryError", "NoDeviceError"),
    ".batch": ("Batch", "Completions"),
    ".candidates": ("observe_next",),
    ".completion": ("Completion",),
    ".evaluate.comparing": ("Estimate", "ReferenceComparison", "Spread"),
    ".evaluate.evaluator": ("Evaluator",),
    ".evaluate.features": ("FeatureExtractor",),
    ".evaluate.inside": ("Inside", "Lens", "look_inside"),
    ".evaluate.perplexity": ("Perplexity", "measure", "measure_each"),
    ".evaluate.scoring": ("Score", "ScoredText", "Scorer"),
    ".evaluate.streaming": ("stream_tokens",),
    ".evaluate.windows": ("Window", "disjoint", "sliding"),
    ".generator": ("Generator",),
    ".llama.adapters": ("AdaptedFile", "Adapter"),
    ".llama.bindings": ("versions",),
    ".llama.context": ("Context",),
    ".llama.devices": ("Device", "list_devices"),
    ".llama.model": ("Model",),
    ".llama.placement": ("Offload", "Placement"),
    ".options": ("MAX_SEED", "GenerationOptions", "check_seed", "completion_seed", "draw_seed"),
    ".records": ("Candidate", "FinishReason", "Observation", "Request", "Token"),
    ".session": ("open_evaluator", "open_generator"),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_MODULES)

if not TYPE_CHECKING:  # so that type checkers do not take every name for one of type Any

    def __getattr__(name):
        """Import what is asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name], __name__), name)
