"""Options that several commands share, each under one name."""

from typing import Annotated

import typer

from ...errors import UsageError
from ...models.catalog import CATALOG, DEFAULT_QUANTIZATION
from ...terminal.progress import megabytes

MAX_THREADS = 512
"""The most that llama.cpp takes: GGML_MAX_N_THREADS in ggml.h."""


def complete_quantization(incomplete: str) -> list[tuple[str, str]]:
    """Return the quantizations that begin so, in the case that was typed, with their sizes."""
    names = [
        (entry.quantization.lower() if incomplete.islower() else entry.quantization, entry.size)
        for entry in CATALOG
    ]
    return [(name, megabytes(size)) for name, size in names if name.startswith(incomplete)]


Quantizations = Annotated[
    list[str] | None,
    typer.Option(
        "--quant",
        "-q",
        metavar="NAME",
        help="A quantization, in any case; may be given several times.",
        show_default=DEFAULT_QUANTIZATION,
        autocompletion=complete_quantization,
    ),
]
Repository = Annotated[
    str,
    typer.Option("--repo", metavar="OWNER/NAME", help="The Hub repository to take the model from."),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="REVISION",
        help="A branch, tag or commit of the repository.",
        show_default="the commit that distil knows; main for another repository",
    ),
]
Threads = Annotated[
    str,
    typer.Option(
        metavar="N", help="Threads to compute with; auto finds out what is fastest meanwhile."
    ),
]
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


def parse_threads(value: str) -> int | None:
    """Return a number of threads, or None for ``auto``.

    Raises:
        UsageError: it is neither.
    """
    if value == "auto":
        return None
    if value.isdecimal() and 0 < int(value) <= MAX_THREADS:
        return int(value)
    raise UsageError(
        f"--threads can't be {value}.", f"Use auto, or a number from 1 to {MAX_THREADS}."
    )


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
