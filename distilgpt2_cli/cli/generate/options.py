"""Options of ``distil generate`` that ``distil map generate`` has, too."""

from typing import Annotated

import typer

FlashAttention = Annotated[
    bool,
    typer.Option(
        "--flash-attention",
        help="Faster, but after 256 tokens the text can depend on --threads.",
    ),
]
Echo = Annotated[bool, typer.Option("--echo", help="Print the prompt before each completion.")]
