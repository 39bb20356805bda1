"""Tables as CSV, or the same with tabs or semicolons: how they are written, and read.

They are written as RFC 4180 says, but with line feeds, so that pandas and R read them without
conversions: texts are quoted and numbers are not. A number has all its digits, true and false are
as in JSON, and a missing value or an infinite number is empty, where JSON has null.
"""

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from .errors import DistilError, UsageError

# A NUL ends a text for some readers; a byte of a path that is not UTF-8 is a lone surrogate.
_REPLACED = dict.fromkeys((0, *range(0xD800, 0xE000)), "\ufffd")
_SEPARATORS = re.compile(r'"(?:[^"]|"")*"|([,;\t])')
_PLAIN_NAME = re.compile(r'[^,;\t"\r\n]+')


def csv_line(values: Iterable[Any], separator: str = ",") -> str:
    """Return a row with its line end; a list or an object is written as JSON."""
    return separator.join(map(_cell, values)) + "\n"


def csv_header(names: Iterable[str], separator: str = ",") -> str:
    """Return the first row, whose names are quoted only where they have to be."""
    cells = (name if _PLAIN_NAME.fullmatch(name) else _cell(name) for name in names)
    return separator.join(cells) + "\n"


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"' + text.translate(_REPLACED).replace('"', '""') + '"'


class TableReader:
    """An iterator over the rows of a table, which are lists of cells.

    An empty line is not a row.

    Attributes:
        header: the names of the columns.
    """

    def __init__(self, lines: Iterator[str], name: str, longest: int) -> None:
        """Read the header.

        Args:
            lines: with their ends. Whatever they raise goes through.
            name: what the table is called in errors.
            longest: the characters that a cell may have.

        Raises:
            DistilError: there is no header, or it has a column twice.
        """
        self._name = name
        first = next(lines, "")
        separator = next((each for each in _SEPARATORS.findall(first) if each), ",")
        csv.field_size_limit(longest)
        self._reader = csv.reader(chain([first], lines), delimiter=separator, strict=True)
        self._rows = self._without_empty()
        self.header = self._header()

    def __iter__(self) -> Iterator[list[str]]:
        """Return the rows that were not read yet."""
        return self._rows

    def __next__(self) -> list[str]:
        """Return the next row.

        Raises:
            DistilError: it is not CSV.
        """
        return next(self._rows)

    def place(self, column: str) -> int:
        """Return the place of a column in each row.

        Raises:
            UsageError: there is none of this name.
        """
        if column not in self.header:
            raise no_column(self._name, column, self.header)
        return self.header.index(column)

    def _header(self) -> list[str]:
        try:
            header = next(self._reader, [])
        except csv.Error as error:
            raise self._not_csv(error) from None
        if not header or len(set(header)) < len(header):
            problem = "has no header" if not header else "has two columns of the same name"
            raise DistilError(
                f"{self._name} {problem}.", "Give each column a name in the first line."
            )
        return header

    def _without_empty(self) -> Iterator[list[str]]:
        try:
            for cells in self._reader:
                if cells:
                    yield cells
        except csv.Error as error:
            raise self._not_csv(error) from None

    def _not_csv(self, error: csv.Error) -> DistilError:
        return DistilError(
            f"{self._name} is not a table as CSV: line {self._reader.line_num}: {error}.",
            "Save it as CSV with a header, where texts with quotes or commas are quoted.",
        )


def no_column(name: str, column: str, columns: Sequence[str]) -> UsageError:
    """Return the error for a column that a table does not have."""
    return UsageError(f"{name} has no column {column}.", f"Use one of these: {', '.join(columns)}.")


def wrong_cells(number: int, cells: Sequence[str], header: Sequence[str]) -> DistilError:
    """Return the error for a row that has too many cells, or not enough."""
    return DistilError(
        f"Row {number} has {len(cells)} cells, and the header has {len(header)}.",
        "Correct it, and run it again.",
    )
