"""Options of ``distil features`` that ``distil map features`` has, too."""

from dataclasses import dataclass
from typing import Annotated

import typer

from ...engine.options import Overflow, Pool

OverflowOption = Annotated[
    Overflow,
    typer.Option(help="Refuse a text over the context window, split it, or let windows overlap."),
]


@dataclass(frozen=True)
class StatesOptions:
    """Which hidden states are wanted."""

    pool: Annotated[
        Pool,
        typer.Option(help="States of all tokens, their mean, or the last token's."),
    ] = "none"
    layer: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="States of this layer; 0 is the embeddings.",
            show_default="the last one",
        ),
    ] = None
