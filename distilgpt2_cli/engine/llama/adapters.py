"""LoRA adapters: which files change a model's weights, and how much.

An adapter has two small matrices for a weight: llama.cpp computes with ``W + scale * alpha / rank *
B A``, or ``W + scale * B A`` where the file has no alpha (LoRA, https://arxiv.org/abs/2106.09685).
"""

import ctypes
import math
import os
from dataclasses import dataclass
from pathlib import Path

from ...errors import ParameterError

MOST_ADAPTERS = 8
"""How many a model can have: see `adapter_loading`."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter in a GGUF file.

    Attributes:
        path: the file.
        scale: by which its change of the weights is multiplied; a negative one takes it away, and
            0 leaves the weights as they are.

    Raises:
        ParameterError: the scale is not finite, as a 32-bit float.
    """

    path: Path
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the scale."""
        if not math.isfinite(ctypes.c_float(self.scale).value):
            raise ParameterError("scale", self.scale, "a finite number")


@dataclass(frozen=True)
class AdaptedFile(os.PathLike[str]):
    """A model file with adapters: it may stand wherever the path of a model file is wanted.

    Attributes:
        path: the model file.
        adapters: what changes its weights, each added to them.

    Raises:
        ParameterError: there are more than `MOST_ADAPTERS`.
    """

    path: Path
    adapters: tuple[Adapter, ...] = ()

    def __post_init__(self) -> None:
        """Check the number of adapters."""
        if len(self.adapters) > MOST_ADAPTERS:
            raise ParameterError("adapters", len(self.adapters), f"at most {MOST_ADAPTERS}")

    def __fspath__(self) -> str:
        """Return the path of the model file."""
        return os.fspath(self.path)

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> "AdaptedFile":
        """Return a path that is one already, or a model file without adapters."""
        return path if isinstance(path, cls) else cls(Path(path))
