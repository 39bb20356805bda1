"""Lines in rows of a terminal, which end between words; prompt_toolkit ends them anywhere."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from prompt_toolkit.formatted_text import OneStyleAndTextTuple, StyleAndTextTuples
from prompt_toolkit.layout.screen import Char

_PARTS = re.compile(" +|[^ ]+")


class Row(NamedTuple):
    """A row of a line: where it starts and stops in the line, and how many cells it has."""

    start: int
    stop: int
    cells: int


def rows(line: str, width: int) -> Iterator[Row]:
    """Yield the rows of a line, each of at most ``width`` cells.

    A word that is wider than a row is broken where the row ends. Spaces for which a row has no room
    are in no row, except at the end of the line, where the cursor may be.
    """
    start, stop, used = 0, 0, 0
    for part in _PARTS.finditer(line):
        is_space = part[0][0] == " "
        if not is_space and used and width - used < _width(part[0]) <= width:
            yield Row(start, stop, used)
            start, used = part.start(), 0
        for place, character in enumerate(part[0], part.start()):
            cells = cells_of(character)
            if used and used + cells > width:
                if is_space and part.end() < len(line):
                    break
                yield Row(start, stop, used)
                start, used = place, 0
            stop, used = place + 1, used + cells
    yield Row(start, stop, used)


def wrapped(text: str, width: int) -> list[str]:
    """Return a text of one line as rows."""
    return [text[row.start : row.stop] for row in rows(text, max(width, 1))]


def padded(line: StyleAndTextTuples, width: int, cursor: int = 0) -> tuple[StyleAndTextTuples, int]:
    """Return a line with each row but the last one filled with spaces, and the cursor's new place.

    Args:
        line: of one character in each part.
        width: of the rows, in cells.
        cursor: the index of a character in the line.
    """
    filled: list[OneStyleAndTextTuple] = []
    place = stop = padding = 0
    for row in rows("".join(part[1] for part in line), width):
        filled += [("", " ")] * padding
        if cursor >= stop:  # in this row, or in the spaces before it that are in none
            place = len(filled) + max(cursor - row.start, 0)
        filled += line[row.start : row.stop]
        stop, padding = row.stop, width - row.cells
    return filled, place


@lru_cache(4096)
def cells_of(character: str) -> int:
    """Return the cells of a character as prompt_toolkit shows it."""
    return Char(character, "").width


def _width(text: str) -> int:
    return sum(map(cells_of, text))
