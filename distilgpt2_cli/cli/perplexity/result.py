"""What is known of a model after its texts were measured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ...models import ModelFile
from ..tasks.perplexity import Method

if TYPE_CHECKING:
    from ...engine import Perplexity, Placement, Spread


class Cut(NamedTuple):
    """How the texts were cut into windows.

    Attributes:
        window: how many tokens a window has.
        stride: how many there are from one window to the next.
        method: whose way it is.
    """

    window: int
    stride: int
    method: Method


@dataclass(frozen=True)
class Result:
    """A model file and its figures.

    Attributes:
        file: the model file.
        figures: of all texts together.
        placement: where the model's layers were.
        cut: how the texts were cut.
        reference: what the model was compared with, if it was.
        spread: the quantiles of that comparison, if they are wanted.
    """

    file: ModelFile
    figures: "Perplexity"
    placement: "Placement"
    cut: Cut
    reference: ModelFile | None = None
    spread: "Spread | None" = None
