"""Options that several commands share, each under one name."""

from typing import Annotated

import typer

from ...errors import UsageError

TextArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="TEXT", help="Text; read from standard input if omitted or -.", show_default=False
    ),
]
Lines = Annotated[
    bool,
    typer.Option("--lines", help="Treat each line of standard input as a text; skip empty lines."),
]
Parallel = Annotated[
    int,
    typer.Option(
        "--parallel",
        metavar="N",
        help="Lines to evaluate at once: faster, but slightly different figures.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show only errors on standard error.")]


def check_parallel(count: int, lines: bool) -> None:
    """Make sure that ``--parallel`` is used with ``--lines`` only.

    Raises:
        UsageError: the number is below 1, or above without ``--lines``.
    """
    check_at_least_one("parallel", count)
    if count > 1 and not lines:
        raise UsageError("--parallel is for several texts.", "Use it with --lines.")


def check_at_least_one(name: str, value: int) -> None:
    """Make sure that an option is 1 or more.

    Raises:
        UsageError: it is not.
    """
    if value < 1:
        raise UsageError(f"--{name} can't be {value}.", "Use 1 or more.")
