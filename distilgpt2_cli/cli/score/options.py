"""The options of ``distil score``."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from ...errors import UsageError
from ...terminal import Terminal
from ..shared.options import (
    ResumableOutput,
    TextsOptions,
    check_only_one,
    new_file_option,
    output_option,
)
from ..shared.sources import STDIN, can_be_read_again, source_name
from ..shared.texts import argument_text, notice_file_name, notice_space
from ..tasks.words import Unit
from .rows import Format, ResumableTable

Prefix = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help="Text before the scored text; it is not scored itself.",
        show_default=False,
    ),
]

MAX_SPILLOVER = 16
"""Words before: more have no influence on how long a word is read."""


@dataclass(frozen=True)
class WordOptions:
    """A row for each word instead of each token."""

    words: Annotated[bool, typer.Option("--words", help="Score words, each with its end.")] = False
    regions: Annotated[
        str | None,
        typer.Option(
            metavar="MARK",
            help="Mark between the regions of a text, such as |.",
            show_default=False,
        ),
    ] = None
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Column with the texts, where the input is CSV or TSV with a header.",
            show_default=False,
        ),
    ] = None
    by: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Columns that are the same in all rows of a text, where each row is a word.",
            show_default=False,
        ),
    ] = ""
    joiner: Annotated[
        str, typer.Option(metavar="TEXT", help="What stands between the words of such rows.")
    ] = " "
    plain_sum: Annotated[
        bool,
        typer.Option("--plain-sum", help="Add up the tokens of a word only, without its end."),
    ] = False
    spillover: Annotated[
        int, typer.Option(metavar="N", help="Add columns for the N words before each one.")
    ] = 0
    unit: Annotated[Unit, typer.Option(help="Unit of surprisal and entropy.")] = "bits"

    def __post_init__(self) -> None:
        """Refuse what can't be combined."""
        if not self.words:
            for field in fields(self):
                if getattr(self, field.name) != field.default:
                    option = "--" + field.name.replace("_", "-")
                    raise UsageError(f"{option} is for words.", "Use it with --words.")
        if self.by and self.column is None:
            raise UsageError("--by is for the rows of a table.", "Name the words with --column.")
        if self.by:
            check_only_one({"--by": self.by, "--regions": self.regions})
        if self.regions == "":
            raise UsageError("--regions can't be empty.", "Use a mark such as |.")
        if not 0 <= self.spillover <= MAX_SPILLOVER:
            raise UsageError(
                f"--spillover can't be {self.spillover}.",
                f"Use a number from 0 to {MAX_SPILLOVER}.",
            )

    @property
    def by_columns(self) -> list[str]:
        """The names in ``by``."""
        return [name for name in self.by.split(",") if name]


@dataclass(frozen=True)
class OutputOptions(ResumableOutput):
    """What is shown or written beside the tokens, and a file for the rows of words."""

    output: Annotated[
        Path | None,
        output_option("Write the words to this .csv, .tsv, .jsonl or .parquet file."),
    ] = None
    ranks: Annotated[
        bool,
        typer.Option("--ranks", help="Shade tokens by rank instead of surprisal, and count ranks."),
    ] = False
    html: Annotated[
        Path | None,
        new_file_option("Write the text shaded by rank, with alternatives, to this .html file."),
    ] = None

    @property
    def is_picture(self) -> bool:
        """Whether a text is to be shaded by rank."""
        return self.ranks or self.html is not None

    def table(self) -> ResumableTable | None:
        """Return the file, if there is one.

        Raises:
            DistilError: it can't be written, or pyarrow is missing.
        """
        if self.output is None:
            return None
        if self.output.suffix == ".parquet":
            from .parquet import check_parquet

            check_parquet()
        return ResumableTable(self.output, force=self.force, resume=self.resume)


def scored_prefix(terminal: Terminal, prefix: str) -> str:
    """Return the text of ``--prefix``, after notices of what is odd about it.

    Raises:
        DistilError: it is not UTF-8.
    """
    prefix = argument_text(prefix, "--prefix")
    notice_file_name(terminal, prefix)
    notice_space(terminal, prefix, "--prefix")
    return prefix


@dataclass(frozen=True)
class WordTexts:
    """The input of a run for words, and the format on standard output.

    Attributes:
        text: where the texts come from.
        format: of the rows.
    """

    text: TextsOptions
    format: Format

    @property
    def name(self) -> str:
        """What the input is called in messages."""
        return source_name(self.text.source) if self.text.source else "the text"

    @property
    def size(self) -> int | None:
        """Its bytes; None if that is not known."""
        source = self.text.source
        if source is None or source == STDIN or not can_be_read_again(source):
            return None
        return Path(source).stat().st_size

    def check_resumable(self) -> None:
        """Make sure that what was read can be read again.

        Raises:
            UsageError: it can't.
        """
        if self.text.source is not None and self.size is None:
            raise UsageError(
                f"{self.name} can't be read again from its beginning.",
                "Save the text in a file, and use --file, to go on with --resume.",
            )
