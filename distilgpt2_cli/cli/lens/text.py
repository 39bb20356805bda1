"""The lens in a terminal: a table of layers and tokens, or of the attention of a head."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...terminal import Terminal
from ...terminal.layout import GAP, MAX_WIDTH, cells, padded
from ...terminal.sanitize import visible
from ...terminal.shading import share_legend, share_shade
from ...terminal.stream import BOLD
from .look import Look

_MOST = 14  # cells of a token's text; a longer one is shortened
_LAYER = "LAYER"


class _Cell(NamedTuple):
    """A text, and the part from 0 to 1 that shades it; None for no shade."""

    text: str
    share: float | None = None


_Column = Sequence[_Cell]


def write_grid(terminal: Terminal, look: Look) -> None:
    """Show the most likely next token of each layer and token, in as many tables as it takes."""
    lens = look.inside.lens
    layers = range(len(lens.top_ids) - 1, -1, -1)
    labels = [_LAYER, *map(str, layers)]
    columns = []
    for position, token in enumerate(look.inside.tokens):
        column = [_Cell(_short(terminal, look.quoted(token)))]
        for layer in layers:
            share = math.exp(lens.top_logprobs[layer, position, 0])
            top = _short(terminal, look.quoted(int(lens.top_ids[layer, position, 0])))
            column.append(_Cell(f"{top} {_percent(share)}%", share))
        columns.append(column)
    for number, part in enumerate(_parts(terminal, columns, cells(_LAYER))):
        terminal.write("\n" * bool(number))
        _write_table(terminal, labels, columns[part])
    _write_legend(terminal)


def write_matrix(terminal: Terminal, look: Look) -> None:
    """Show the attention of a head in percent, in as many tables as it takes."""
    tokens, weights = look.inside.tokens, look.weights.tolist()
    digits = len(str(len(tokens) - 1))
    labels = [
        f"{position:>{digits}} {_short(terminal, look.quoted(token))}"
        for position, token in enumerate(tokens)
    ]
    columns = []
    for place in range(len(tokens)):
        rows = [
            _Cell(_percent(row[place]).rjust(3), row[place]) if place <= number else _Cell("")
            for number, row in enumerate(weights)
        ]
        columns.append([_Cell(str(place).rjust(3)), *rows])
    terminal.write_line(
        f"Attention of layer {look.layer}, head {look.head}: percent that each token (row) gives to"
        " the tokens up to itself (columns)"
    )
    for part in _parts(terminal, columns, max(map(cells, labels))):
        terminal.write("\n")
        # The tokens before the first column do not see it.
        below = [[column[0], *column[part.start + 1 :]] for column in columns[part]]
        _write_table(terminal, ["", *labels[part.start :]], below)
    _write_legend(terminal)


def _parts(terminal: Terminal, columns: Sequence[_Column], label: int) -> Iterator[slice]:
    """Yield as many columns at a time as fit beside a label, at least one."""
    width = terminal.columns or MAX_WIDTH
    start, used = 0, label
    for place, column in enumerate(columns):
        needed = len(GAP) + _width(column)
        if used + needed > width and place > start:
            yield slice(start, place)
            start, used = place, label
        used += needed
    yield slice(start, len(columns))


def _write_table(terminal: Terminal, labels: Sequence[str], columns: Sequence[_Column]) -> None:
    """Write rows, the first of them as a header."""
    label_width, widths = max(map(cells, labels)), list(map(_width, columns))
    for number, (label, *row) in enumerate(zip(labels, *columns, strict=True)):
        texts = [padded(each.text, width) for each, width in zip(row, widths, strict=True)]
        if not number or not terminal.stdout_has_colours:
            line = GAP.join([padded(label, label_width), *texts]).rstrip()
            terminal.write(line + "\n", style="" if number else BOLD)
            continue
        terminal.write(padded(label, label_width))
        for text, cell in zip(texts, row, strict=True):
            terminal.write(GAP)
            terminal.write(text, style="" if cell.share is None else share_shade(cell.share))
        terminal.write("\n")


def _write_legend(terminal: Terminal) -> None:
    if terminal.stdout_has_colours:
        terminal.write("\npercent ")
        for meaning, style in share_legend():
            terminal.write(meaning, style=style)
        terminal.write("\n")


def _width(column: _Column) -> int:
    return max(cells(cell.text) for cell in column)


def _percent(share: float) -> str:
    return f"{share * 100:.0f}"


def _short(terminal: Terminal, text: str) -> str:
    """Return a text in a few cells, with its control characters shown on a terminal."""
    if terminal.stdout_is_terminal:
        text = visible(text)
    if cells(text) <= _MOST:
        return text
    while cells(text) >= _MOST:
        text = text[:-1]
    return text + "…"
