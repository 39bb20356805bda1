"""What is known of a file after it was made, and after it was compared."""

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Compared:
    """A file and its figures; the first of several is what the others were made of.

    Attributes:
        result: as of ``perplexity --compare``.
        speed: tokens per second of generation, the median of several measurements; None for a
            model whose window is too small to measure it.
    """

    result: Result
    speed: float | None
