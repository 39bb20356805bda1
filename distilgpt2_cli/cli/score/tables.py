"""Texts from a table: CSV, or the same with tabs or semicolons, with a header."""

import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ...errors import DistilError, NotUtf8Error
from ...lines import MAX_LINE_BYTES
from ...tables import TableReader, wrong_cells
from ...terminal import Terminal
from ...terminal.input import LineReader
from ..shared.errors import show_error
from ..tasks.lines import Cuts

_WORD = re.compile(r"\S+")
_TRIMMED = re.compile(r"\s*(\S(?:.*\S)?)", re.DOTALL)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


class TableRow(NamedTuple):
    """A row of a table.

    Attributes:
        number: from 1 for the first one after the header.
        cells: its values.
    """

    number: int
    cells: Sequence[str]


class Table:
    """Reads a table; each of its items is the rows of one text.

    Attributes:
        descriptor: what is read.
        header: the names of the columns.
    """

    def __init__(self, reader: LineReader, name: str, by: Sequence[str]) -> None:
        """Read the header.

        Args:
            reader: the lines of the table.
            name: what it is called in errors.
            by: rows that follow each other with the same values in these columns are one text;
                by default each row is.

        Raises:
            DistilError: there is no header, or it has a column twice.
            UsageError: it does not have one of the columns.
        """
        self.descriptor = reader.descriptor
        self._reader = reader
        self._name = name
        self._count = 0
        self._rows = TableReader(self._lines(), name, MAX_LINE_BYTES)
        self.header = self._rows.header
        self._by = [self.place(each) for each in by]
        self._held: TableRow | None = None

    def place(self, column: str) -> int:
        """Return the place of a column in each row.

        Raises:
            UsageError: there is none of this name.
        """
        return self._rows.place(column)

    def __next__(self) -> list[TableRow]:
        """Return the rows of the next text."""
        row = self._held or self._next_row()
        self._held = None
        if row is None:
            raise StopIteration
        rows = [row]
        while self._by and (following := self._next_row()):
            if self._key(following) != self._key(row):
                self._held = following
                break
            rows.append(following)
        return rows

    def ready(self) -> bool:
        """Return whether the next lines, or the end, are there."""
        return self._reader.ready()

    def has(self, count: int, size: int) -> bool:
        """Return whether so many lines, or lines of so many bytes, are there within a moment."""
        return self._reader.has(count, size)

    def _key(self, row: TableRow) -> Sequence[str]:
        return [row.cells[place] if place < len(row.cells) else "" for place in self._by]

    def _next_row(self) -> TableRow | None:
        cells = next(self._rows, None)
        if cells is None:
            return None
        self._count += 1
        return TableRow(self._count, cells)

    def _lines(self) -> Iterator[str]:
        for number, line in enumerate(self._reader, 1):
            if line is None:
                raise DistilError(
                    f"Line {number} of {self._name} is longer than {MAX_LINE_BYTES} bytes.",
                    "Use --file without --column for a long text.",
                )
            try:
                yield (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).decode()
            except UnicodeDecodeError as error:
                raise NotUtf8Error(f"Line {number}", error) from None


class TableTexts:
    """Counts the rows of a table, reports those without a text, and makes texts of the others.

    Attributes:
        count: the number of the last row.
    """

    def __init__(self, terminal: Terminal, table: Table, column: str, joiner: str) -> None:
        """Take the texts of a column.

        Args:
            terminal: for messages.
            table: what is read.
            column: where the texts are, or the words of texts.
            joiner: what stands between two words of a text.

        Raises:
            UsageError: there is no such column.
        """
        self.count = 0
        self._terminal = terminal
        self._table = table
        self._place = table.place(column)
        self._joiner = joiner
        self._failures = self._empty = 0

    def accept(self, rows: list[TableRow]) -> list[TableRow] | None:
        """Count the rows of a text, and return them, or None if there is no text in them.

        Raises:
            DistilError: a row has too many cells, or not enough.
        """
        self.count = rows[-1].number
        for row in rows:
            if len(row.cells) != len(self._table.header):
                raise wrong_cells(row.number, row.cells, self._table.header)
        if any(row.cells[self._place].strip() for row in rows):
            return rows
        self._empty += len(rows)
        return None

    def skip(self, error: DistilError, number: int | None = None) -> None:
        """Report a row that failed, and count it."""
        self._failures += 1
        show_error(self._terminal, error, "" if number is None else f"Row {number}: ")

    def text_of(self, rows: list[TableRow]) -> tuple[str, Cuts]:
        """Return the text of a row, which is cut at white space."""
        (row,) = rows
        kept = [_value(cell) for place, cell in enumerate(row.cells) if place != self._place]
        return row.cells[self._place], Cuts(kept=[kept])

    def text_of_words(self, rows: list[TableRow]) -> tuple[str, Cuts]:
        """Return the text of rows that have a word each, and keep their numbers too."""
        spans, text = [], ""
        for row in rows:
            word = row.cells[self._place]
            text += self._joiner if text and word else ""
            spans.append(trimmed(text + word, len(text), len(text + word)))
            text += word
        return text, Cuts(spans, kept=list(map(self._values, rows)))

    def _values(self, row: TableRow) -> list[Any]:
        """Return the values of a row, whose word is a text even where it looks like a number."""
        values = [_value(cell) for cell in row.cells]
        values[self._place] = row.cells[self._place]
        return [row.number, *values]

    def check(self) -> None:
        """Give a notice of empty rows, and make sure that the command fails if a row did.

        Raises:
            DistilError: at least one row failed.
        """
        if self._empty:
            self._terminal.notice(f"{self._empty} rows without a text were skipped.")
        if self._failures:
            raise DistilError(
                f"{self._failures} texts of the {self.count} rows were skipped.",
                "Correct them (see the errors above), and run those rows again.",
            )


def in_regions(text: str, separator: str) -> tuple[str, Cuts]:
    """Return a text without the marks between its regions, and its words with their regions.

    White space around a mark becomes a single space; where there is none, there is none between the
    regions.
    """
    parts = text.split(separator)
    whole, spans, regions = parts[0], [], []
    starts = [0]
    for before, part in pairwise(parts):
        is_apart = before != before.rstrip() or part != part.lstrip()
        whole = whole.rstrip() + " " * is_apart
        starts.append(len(whole))
        whole += part.lstrip()
    for region, (start, end) in enumerate(pairwise([*starts, len(whole)]), 1):
        for word in _WORD.finditer(whole, start, end):
            spans.append(word.span())
            regions.append(region)
    return whole, Cuts(spans, regions)


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a part of a text without the white space at its ends."""
    word = _TRIMMED.match(text, start, end)
    return word.span(1) if word else (start, start)


def _value(cell: str) -> Any:
    """Return a number as a number, so that it is read as one again; None for nothing."""
    if _INTEGER.fullmatch(cell):
        return int(cell)
    if _NUMBER.fullmatch(cell):
        return float(cell)
    return cell or None
