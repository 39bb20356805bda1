"""Options that several commands share, each under one name."""

from typing import Annotated

import typer

from ...errors import UsageError

TextArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="TEXT", help="The text; standard input without it or with -.", show_default=False
    ),
]
Lines = Annotated[bool, typer.Option("--lines", help="Take each line of standard input by itself.")]
Parallel = Annotated[
    int,
    typer.Option(
        "--parallel",
        metavar="N",
        help="Lines evaluated at once: sooner done, with slightly other figures.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing on standard error but errors.")]


def check_parallel(count: int, lines: bool) -> None:
    """See to it that several texts are evaluated at once only where there can be several.

    Raises:
        UsageError: the number is below 1, or above without ``--lines``.
    """
    check_at_least_one("parallel", count)
    if count > 1 and not lines:
        raise UsageError("--parallel is for several texts.", "Use it with --lines.")


def check_at_least_one(name: str, value: int) -> None:
    """See to it that an option is a number from 1 on.

    Raises:
        UsageError: it is not.
    """
    if value < 1:
        raise UsageError(f"--{name} can't be {value}.", "Use a number from 1 on.")
