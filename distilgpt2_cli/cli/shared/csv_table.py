"""Tables as CSV: RFC 4180, but with line feeds, and readable by pandas and R without conversions.

Texts are quoted and numbers are not. A number has all its digits, true and false are as in JSON,
and a missing value or an infinite number is empty, where JSON has null.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...terminal import Terminal

# A NUL ends a text for some readers; a byte of a path that is not UTF-8 is a lone surrogate.
_REPLACED = dict.fromkeys((0, *range(0xD800, 0xE000)), "\ufffd")


class CsvTable:
    """A table on standard output, to which rows are written as they are known."""

    def __init__(self, terminal: Terminal, columns: Sequence[str]) -> None:
        """Write the header."""
        self._terminal = terminal
        self._columns = columns
        terminal.write(",".join(columns) + "\n")

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows together, each a value for every column, and for others that are left out."""
        picked = ([row[column] for column in self._columns] for row in rows)
        self._terminal.write("".join(map(csv_line, picked)))


def csv_line(values: Iterable[Any], separator: str = ",") -> str:
    """Return a row with its line end; a list or an object is written as JSON."""
    return separator.join(map(_cell, values)) + "\n"


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"' + text.translate(_REPLACED).replace('"', '""') + '"'
