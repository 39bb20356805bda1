"""Options that several commands share, each under one name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import UsageError
from ...files import own_path
from .sources import STDIN, own_source

MAX_WORKERS = 1024
"""More processes than that are a mistake."""


def source_option(help_text: str, *names: str, metavar: str = "FILE") -> Any:
    """Return an option for a file that is read, or standard input; see `own_source`."""
    return typer.Option(
        *names, metavar=metavar, parser=own_source, help=help_text, show_default=False
    )


def new_file_option(help_text: str) -> Any:
    """Return an option for a file that is written."""
    return typer.Option(metavar="FILE", parser=own_path, help=help_text, show_default=False)


TextArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="TEXT", help="Text; read from standard input if omitted or -.", show_default=False
    ),
]
TextFile = Annotated[
    str | None,
    source_option("Read the text from this file; - for standard input.", "--file", "-f"),
]
Lines = Annotated[
    bool,
    typer.Option("--lines", help="Treat each line of the input as a text; skip empty lines."),
]
Parallel = Annotated[
    int,
    typer.Option(
        "--parallel",
        metavar="N",
        help="Texts to evaluate at once: faster, but slightly different figures.",
    ),
]
WorkerCount = Annotated[
    str,
    typer.Option(
        "--workers",
        metavar="N",
        help="Processes that share the work; auto uses all cores if it is large.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines instead of text.")]
Csv = Annotated[
    bool, typer.Option("--csv", help="Print a table as CSV with a header instead of text.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show only errors on standard error.")]


@dataclass(frozen=True)
class TextOptions:
    """Where a text comes from: the argument, a file, or standard input."""

    text: TextArgument = None
    file: TextFile = None

    def __post_init__(self) -> None:
        """Refuse two texts."""
        if self.file is not None and self.text is not None:
            raise UsageError("A text and --file can't be combined.", "Use one of them.")

    @property
    def argument(self) -> str | None:
        """The text, if the argument is one."""
        return None if self.text == STDIN else self.text

    @property
    def is_omitted(self) -> bool:
        """Whether no text is given, not even as ``-``."""
        return self.text is None and self.file is None

    @property
    def source(self) -> str | None:
        """What is read, as `own_source` returns it; None if the text is the argument."""
        return self.file or (STDIN if self.argument is None else None)


@dataclass(frozen=True)
class TextsOptions(TextOptions):
    """Where a text comes from, or one on each line."""

    lines: Lines = False


@dataclass(frozen=True)
class FormatOptions:
    """The format on standard output, text by default."""

    json: Json = False
    csv: Csv = False

    def __post_init__(self) -> None:
        """Refuse two formats."""
        check_only_one({"--json": self.json, "--csv": self.csv})


@dataclass(frozen=True)
class WindowOptions:
    """How a text that is longer than the context window is cut into windows."""

    window: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tokens in a window.", show_default="the context window"),
    ] = None
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Tokens from one window to the next.", show_default="half a window"
        ),
    ] = None


def output_option(help_text: str) -> Any:
    """Return the option for the file that results go to instead of standard output."""
    return typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        parser=own_path,
        help=help_text,
        show_default="standard output",
    )


@dataclass(frozen=True)
class ResumableOutput:
    """A file for results, which a later run can go on with."""

    output: Annotated[Path | None, output_option("Write the results to this file.")] = None
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where an earlier run with this output file stopped."),
    ] = False
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output file.")] = False

    def __post_init__(self) -> None:
        """Refuse what can't be combined."""
        check_only_one({"--resume": self.resume, "--force": self.force})
        if self.resume and self.output is None:
            raise UsageError(
                "--resume needs the file that it goes on with.", "Name it with --output."
            )


def check_only_one(given: Mapping[str, object]) -> None:
    """Make sure that at most one of some options is used.

    Args:
        given: for each option whether it is given, or a value that is false if it is not.

    Raises:
        UsageError: more than one is.
    """
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise UsageError(f"{names[0]} and {names[1]} can't be combined.", "Use one of them.")


def check_parallel(count: int, lines: bool) -> None:
    """Make sure that ``--parallel`` is used with ``--lines`` only.

    Raises:
        UsageError: the number is below 1, or above without ``--lines``.
    """
    check_at_least_one("parallel", count)
    if count > 1 and not lines:
        raise UsageError("--parallel is for several texts.", "Use it with --lines.")


def parse_workers(value: str, *, several: bool, what: str) -> int | None:
    """Return a number of processes, or None for ``auto``.

    Args:
        value: what the option says.
        several: whether there is anything to share.
        what: what must be there to be shared, to go on after "Use it with".

    Raises:
        UsageError: it is neither, or there is nothing to share.
    """
    if value == "auto":
        return None if several else 1
    if not (value.isdecimal() and len(value) <= 4 and 0 < int(value) <= MAX_WORKERS):
        raise UsageError(
            f"--workers can't be {value}.", f"Use auto, or a number from 1 to {MAX_WORKERS}."
        )
    if int(value) > 1 and not several:
        raise UsageError("--workers shares the work on several texts.", f"Use it with {what}.")
    return int(value)


def check_at_least_one(name: str, value: int) -> None:
    """Make sure that an option is 1 or more.

    Raises:
        UsageError: it is not.
    """
    if value < 1:
        raise UsageError(f"--{name} can't be {value}.", "Use 1 or more.")
