"""The output of a probe: text, a JSON object, a CSV table, an HTML report."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from ...files import check_new_file, new_file
from ...terminal import Terminal
from ..shared.options import Json, check_only_one, new_file_option
from ..shared.plot import check_plot
from ..shared.sampling_options import notice_seed
from .setup import Setup

if TYPE_CHECKING:
    from ...probing.comparison import Comparison
    from ...probing.paired import PairedTest

ComparisonTable = Literal["completions", "words", "next", "divergences", "continuations"]
PairTable = Literal["pairs", "preferences"]
Table = Literal[
    "completions", "words", "next", "divergences", "continuations", "pairs", "preferences"
]
COMPARISON_TABLES: tuple[str, ...] = get_args(ComparisonTable)
PAIR_TABLES: tuple[str, ...] = get_args(PairTable)


@dataclass(frozen=True)
class OutputOptions:
    """The format on standard output, text by default, and the files of report and figure."""

    json: Json = False
    csv: Annotated[
        Table | None,
        typer.Option(
            metavar="TABLE",
            help=f"Print one table as CSV: {', '.join(COMPARISON_TABLES)}; with --pairs,"
            f" {' or '.join(PAIR_TABLES)}.",
            show_default=False,
        ),
    ] = None
    html: Annotated[
        Path | None,
        new_file_option("Also write a report with plots to this .html file."),
    ] = None
    plot: Annotated[
        Path | None,
        new_file_option("Also draw a figure in this .svg, .pdf or .png file."),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Overwrite the report and the figure.")] = (
        False
    )

    def __post_init__(self) -> None:
        """Refuse options that exclude each other, or a file that can't be written."""
        check_only_one({"--json": self.json, "--csv": self.csv})
        if self.html is not None:
            check_new_file(self.html, (".html", ".htm"), force=self.force)
        if self.plot is not None:
            check_plot(self.plot, self.force)


@dataclass(frozen=True)
class Output:
    """Writes results in the format of the options."""

    terminal: Terminal
    options: OutputOptions

    def notice_seed(self, setup: Setup) -> None:
        """Show a seed that was drawn, unless the results will have it."""
        if setup.seed_is_drawn and not self.options.json:
            notice_seed(self.terminal, setup.seed)

    def show_comparison(self, setup: Setup, comparison: "Comparison") -> None:
        """Write the comparison, and then its report and its figure.

        Raises:
            DistilError: it can't be written.
        """
        if self.options.json:
            from .record import comparison_record

            self.terminal.write_json(comparison_record(setup, comparison))
        elif self.options.csv:
            from .csv_table import comparison_table

            self.terminal.write(comparison_table(self.options.csv, comparison))
        else:
            from .text import write_comparison

            write_comparison(self.terminal, setup, comparison)
        if self.options.html:
            from .page import comparison_page

            self._write_page(self.options.html, comparison_page(setup, comparison))
        if self.options.plot:
            from .figures import comparison_panels
            from .plot import write_figure

            write_figure(self.options.plot, comparison_panels(comparison), force=self.options.force)

    def show_pairs(self, setup: Setup, test: "PairedTest") -> None:
        """Write the scored pairs, and then their report and their figure.

        Raises:
            DistilError: it can't be written.
        """
        if self.options.json:
            from .record import pairs_record

            self.terminal.write_json(pairs_record(setup, test))
        elif self.options.csv:
            from .csv_table import pairs_table

            self.terminal.write(pairs_table(self.options.csv, test))
        else:
            from .text import write_pairs

            write_pairs(self.terminal, test)
        if self.options.html:
            from .page import pairs_page

            self._write_page(self.options.html, pairs_page(setup, test))
        if self.options.plot:
            from .figures import pair_panels
            from .plot import write_figure

            write_figure(self.options.plot, pair_panels(test), force=self.options.force)

    def _write_page(self, path: Path, page: str) -> None:
        with new_file(path, force=self.options.force) as part:
            part.write_text(page, encoding="utf-8", errors="replace")
