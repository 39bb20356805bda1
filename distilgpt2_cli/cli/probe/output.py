"""Where the results of a probe go: a text, an object of JSON, a table of CSV, a page of HTML."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ...engine.llama.placement import Offload
from ...engine.options import GenerationOptions
from ...models import ModelFile
from ...terminal import Terminal

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

_DEFAULTS = GenerationOptions()

CONTENT_WARNING = (
    "Content warning: what a model writes can be disturbing or offensive, and can repeat"
    " stereotypes."
)


@dataclass(frozen=True)
class Setup:
    """What a probe is made with.

    Attributes:
        file: the model's.
        seed: of the first completions, and of the bootstrap.
        threads: None for as many as are best.
        offload: where the model's layers are wanted.
        template: the prompt with its alternatives; the rest is for a prompt only.
        options: those of every completion.
        count: completions of each variant.
        parallel: completions under way at once.
        top: next tokens, and words of each variant, to show.
        continuations: given texts.
    """

    file: ModelFile
    seed: int
    threads: int | None
    offload: Offload
    template: str = ""
    options: GenerationOptions = _DEFAULTS
    count: int = 0
    parallel: int = 1
    top: int = 0
    continuations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Output:
    """What is wanted on standard output, text by default, and the file of the report."""

    terminal: Terminal
    json: bool
    csv: Table | None
    html: Path | None

    def show_comparison(self, setup: Setup, comparison: "Comparison") -> None:
        """Write the comparison, and then its report.

        Raises:
            DistilError: it can't be written.
        """
        if self.json:
            from .record import comparison_record

            self.terminal.write_json(comparison_record(setup, comparison))
        elif self.csv:
            from .csv_table import comparison_table

            self.terminal.write(comparison_table(self.csv, comparison))
        else:
            from .text import write_comparison

            write_comparison(self.terminal, setup, comparison)
        if self.html:
            from .page import comparison_page

            _write_page(self.html, comparison_page(setup, comparison))

    def show_pairs(self, setup: Setup, test: "PairedTest") -> None:
        """Write the scored pairs, and then their report.

        Raises:
            DistilError: it can't be written.
        """
        if self.json:
            from .record import pairs_record

            self.terminal.write_json(pairs_record(setup, test))
        elif self.csv:
            from .csv_table import pairs_table

            self.terminal.write(pairs_table(self.csv, test))
        else:
            from .text import write_pairs

            write_pairs(self.terminal, test)
        if self.html:
            from .page import pairs_page

            _write_page(self.html, pairs_page(setup, test))


def _write_page(path: Path, page: str) -> None:
    from ...files import new_file

    with new_file(path) as part:
        part.write_text(page, encoding="utf-8")
