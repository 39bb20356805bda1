"""Text laid out in lines of a given width: paragraphs, tables, and values next to their labels.

Widths are in cells of a terminal: East Asian characters and emoji take two, combining marks none.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

DEFAULT_WIDTH = 80
"""Columns, if standard output is not a terminal."""
MAX_WIDTH = 100
"""Columns. Longer lines are hard to read."""

MIN_COLUMN = 24
"""The fewest columns of a text that stands beside others."""
GAP = "  "
"""The space between columns."""

_INDENT = "  "
_FIRST_COMBINING = "\u0300"  # all before it take one cell
_MIN_LAST = 12  # cells of the last column of a table that does not fit


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii() or max(text) < _FIRST_COMBINING:
        return len(text)
    from rich.cells import cell_len  # which takes long to import

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """Return a text with spaces up to a width in cells."""
    return text + " " * (width - cells(text))


def paragraph(text: str, width: int) -> str:
    """Return a text in lines of at most ``width`` cells, except for words that are longer."""
    return _wrapped(text, width, "", "")


def item(text: str, width: int) -> str:
    """Return an item of a list, laid out as a paragraph."""
    return _wrapped(text, width, "- ", "  ")


def fields(rows: Sequence[tuple[str, str]], width: int) -> str:
    """Return a line for each label and its value, with the values in a column.

    The value stands below a label that is longer than half a line.
    """
    labels = [f"{_INDENT}{label}{GAP}" for label, _ in rows]
    column = max((cells(label) for label in labels if cells(label) <= width // 2), default=4)
    lines = []
    for label, (_, value) in zip(labels, rows, strict=True):
        if cells(label) > column:
            lines.append(label.rstrip())
            label = ""
        indent = " " * column
        lines.append(_wrapped(value, width, padded(label, column), indent))
    return "\n".join(lines)


def column_widths(rows: Sequence[Sequence[str]], width: int | None) -> list[int] | None:
    """Return the widths of a table's columns, None if it can't fit.

    The last column is narrower than its texts if the table would be wider than ``width``, unless
    that is None.
    """
    *widths, last = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    if width is None:
        return [*widths, last]
    room = width - sum(each + len(GAP) for each in widths)
    return [*widths, min(last, room)] if room >= min(last, _MIN_LAST) else None


def side_by_side(texts: Sequence[str], widths: Sequence[int]) -> str:
    """Return texts in columns of these widths, each in as many lines as it needs.

    A text that fits stays as it is. White space within another one may become a line end, and a
    longer word is broken.
    """
    columns = [
        [text] if cells(text) <= width else list(_lines(text, width, broken=True))
        for text, width in zip(texts, widths, strict=True)
    ]
    lines = zip_longest(*columns, fillvalue="")
    return "\n".join(
        GAP.join(padded(part, width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _wrapped(text: str, width: int, first_indent: str, indent: str) -> str:
    lines = list(_lines(text, width - cells(indent)))
    starts = [first_indent, *[indent] * len(lines)]
    return "\n".join(start + line for start, line in zip(starts, lines)) or first_indent.rstrip()  # noqa: B905


def _lines(text: str, width: int, *, broken: bool = False) -> Iterator[str]:
    """Yield a text in lines that end between words, or between wide characters.

    A word that is longer than a line is broken if ``broken`` says so, and else has its own line.
    """
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cells(longer) <= width:
            line = longer
        elif cells(word) > len(word) or (broken and cells(word) > width):
            *full, line = _broken(longer, width)
            yield from full
        else:
            if line:
                yield line.rstrip()
            line = word
    if line:
        yield line.rstrip()


def _broken(text: str, width: int) -> Iterator[str]:
    """Yield the text in pieces of at most ``width`` cells."""
    piece = ""
    for character in text:
        if piece and cells(piece + character) > width:
            yield piece.rstrip()
            piece = ""
        piece += character if piece or character != " " else ""
    yield piece
