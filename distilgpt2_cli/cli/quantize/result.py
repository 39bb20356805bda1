"""What is known of a file after it was made, and after it was compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...models import ModelFile
from ..perplexity.result import Result
from .importance import Importance


@dataclass(frozen=True)
class Made:
    """A file that was made.

    Attributes:
        quantization: its name.
        file: the new file.
        pure: whether all matrices have one type.
        importance: what it was made with.
        notices: what was done differently.
    """

    quantization: str
    file: ModelFile
    pure: bool
    importance: Importance | None
    notices: Sequence[str]


class Speed(NamedTuple):
    """Tokens per second of generation: the median of several measurements, and their range."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """A file and its figures; the first of several is what the others were made of.

    Attributes:
        result: as of ``perplexity --compare``.
        speed: how fast it generates; None for a window that is too small to measure it.
    """

    result: Result
    speed: Speed | None
