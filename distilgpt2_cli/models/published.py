"""Figures that others have published for DistilGPT2: what a right computation comes near to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedText:
    """A text with surprisals, in nats.

    Attributes:
        text: the whole text.
        surprisals: of each scored token, or just their sum.
        starts_alone: whether the first token is scored, after the token that ends texts; if not,
            it is only what stands before the others.
        source: who has published them.
    """

    text: str
    surprisals: tuple[float, ...]
    starts_alone: bool
    source: str


PUBLISHED = (
    PublishedText(
        "I went to the train station today.",
        (4.984, 5.729, 0.812, 1.723, 7.317, 0.497, 4.600, 2.528),
        True,
        "the package surprisal",
    ),
    PublishedText(
        "The keys to the cabinet are on the table.", (39.8797,), False, "the package minicons"
    ),
    PublishedText(
        "The keys to the cabinet is on the table.", (42.7585,), False, "the package minicons"
    ),
)
"""All of them are of the original weights, in 32-bit floats on PyTorch."""
