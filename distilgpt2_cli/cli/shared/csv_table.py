"""Tables as CSV on standard output; see `tables`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...tables import csv_header, csv_line
from ...terminal import Terminal


class CsvTable:
    """A table on standard output, to which rows are written as they are known."""

    def __init__(self, terminal: Terminal, columns: Sequence[str]) -> None:
        """Write the header."""
        self._terminal = terminal
        self._columns = columns
        terminal.write(csv_header(columns))

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows together, each a value for every column, and for others that are left out."""
        picked = ([row[column] for column in self._columns] for row in rows)
        self._terminal.write("".join(map(csv_line, picked)))
