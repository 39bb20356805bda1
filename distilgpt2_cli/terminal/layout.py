"""Text laid out in lines of a given width: paragraphs, and values beside their labels."""

import textwrap
from collections.abc import Sequence
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


def paragraph(text: str, width: int) -> str:
    """Return a text in lines of at most ``width`` characters, except for words that are longer."""
    return _wrapped(text, width, "", "")


def item(text: str, width: int) -> str:
    """Return an item of a list, laid out as a paragraph."""
    return _wrapped(text, width, "- ", "  ")


def fields(rows: Sequence[tuple[str, str]], width: int) -> str:
    """Return a line for each label and its value, with the values in a column.

    The value stands below a label that is longer than half a line.
    """
    labels = [f"{_INDENT}{label}{GAP}" for label, _ in rows]
    column = max((len(label) for label in labels if len(label) <= width // 2), default=4)
    lines = []
    for label, (_, value) in zip(labels, rows, strict=True):
        if len(label) > column:
            lines.append(label.rstrip())
            label = ""
        indent = " " * column
        lines.append(_wrapped(value, width, label.ljust(column), indent))
    return "\n".join(lines)


def side_by_side(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return texts in columns of these widths, each in as many lines as it needs.

    White space within a text may become a line end or spaces, and a longer word is broken.
    """
    columns = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    lines = zip_longest(*columns, fillvalue="")
    return "\n".join(
        GAP.join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _wrapped(text: str, width: int, first_indent: str, indent: str) -> str:
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=first_indent,
        subsequent_indent=indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) or first_indent.rstrip()
