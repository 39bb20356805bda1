"""What was computed for a text, with what its views need."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...models import ModelFile
from ..shared.record import quoted

if TYPE_CHECKING:
    from ...engine import Inside, Model
    from ...engine.llama.taps import Array


@dataclass(frozen=True)
class Look:
    """A text, and what a model computes for it.

    Attributes:
        file: of the model.
        model: loaded.
        text: the whole text.
        left_out: how many of its tokens stand before those that were evaluated.
        inside: what was computed for those.
        layer: of the head that is shown, from 1.
        head: that is shown, from 1; None if none is.
    """

    file: ModelFile
    model: "Model"
    text: str
    left_out: int
    inside: "Inside"
    layer: int | None = None
    head: int | None = None

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token, those of a special one too."""
        return self.model.piece(token, special=True)

    def quoted(self, token: int) -> str:
        """Return a token as it is shown."""
        return quoted(self.piece(token))

    @property
    def weights(self) -> "Array":
        """The attention of the head that is shown: tokens by tokens."""
        assert self.inside.attentions is not None
        assert self.layer
        assert self.head
        weights: Array = self.inside.attentions[self.layer - 1, self.head - 1]
        return weights
