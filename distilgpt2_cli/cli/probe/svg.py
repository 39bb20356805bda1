"""The panels of a probe as SVG for an HTML page, whose style sheet has the colours."""

from ..shared.page import readable
from .figures import COLOURS, Axis, BarPanel, IntervalPanel, Panel, shortened

_LABEL_WIDTH, _PLOT_WIDTH, _NOTE_WIDTH, _ROW = 200, 420, 260, 22
_BAR, _AXIS = 14, 52
_LABEL_CHARACTERS = 28
_RIGHT = _LABEL_WIDTH + _PLOT_WIDTH


class _Scale:
    """Maps values to positions on the horizontal axis."""

    def __init__(self, axis: Axis) -> None:
        self._low = axis.ticks[0]
        self._width = axis.ticks[-1] - axis.ticks[0]

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        return round(_LABEL_WIDTH + (value - self._low) / self._width * _PLOT_WIDTH, 2)


def drawing(panel: Panel) -> str:
    """Return a panel as an SVG element."""
    place = _Scale(panel.axis)
    if isinstance(panel, IntervalPanel):
        rows, height = _marks(panel, place)
    else:
        rows, height = _bars(panel, place)
    parts = [*rows, *_axis(panel.axis, place, height)]
    width = _RIGHT + _NOTE_WIDTH
    return (
        f'<svg role="img" aria-label="{readable(panel.title)}" viewBox="0 0 {width}'
        f' {height + _AXIS}" width="{width}" height="{height + _AXIS}">{"".join(parts)}</svg>'
    )


def _marks(panel: IntervalPanel, place: _Scale) -> tuple[list[str], float]:
    axis, top = panel.axis, 0 if panel.axis.reference is None else _ROW
    height = top + len(panel.marks) * _ROW
    parts = []
    if axis.reference is not None:
        zero = place(axis.reference)
        left, right = axis.sides
        parts = [
            _line("reference", zero, 0, zero, height),
            _text(f"← {left}", zero - 6, _ROW - 8, "end"),
            _text(f"{right} →", zero + 6, _ROW - 8, "start"),
        ]
    for row, mark in enumerate(panel.marks):
        y = top + row * _ROW + _ROW / 2
        parts += [
            _label(mark.label, y),
            _line("interval", place(mark.low), y, place(mark.high), y),
            f'<circle class="mark" cx="{place(mark.value)}" cy="{y}" r="4"/>',
            _text(mark.note, _RIGHT + 12, y + 4, "start"),
        ]
    return parts, height


def _bars(panel: BarPanel, place: _Scale) -> tuple[list[str], float]:
    group = len(panel.series) * _BAR + 8
    parts = []
    for row, label in enumerate(panel.labels):
        top = row * group
        parts.append(_label(label, top + group / 2 - 2))
        for number, ((letter, _), values) in enumerate(zip(panel.names, panel.series, strict=True)):
            y, width = top + number * _BAR, round(place(values[row]) - _LABEL_WIDTH, 2)
            parts += [
                f'<rect class="series-{number % len(COLOURS)}" x="{_LABEL_WIDTH}" y="{y + 1}"'
                f' width="{width}" height="{_BAR - 3}"/>',
                _text(f"{letter} {values[row]:.2%}", _LABEL_WIDTH + width + 6, y + 10, "start"),
            ]
    return parts, len(panel.labels) * group


def _axis(axis: Axis, place: _Scale, height: float) -> list[str]:
    parts = [_line("axis", _LABEL_WIDTH, height, _RIGHT, height)]
    for tick, label in zip(axis.ticks, axis.labels, strict=True):
        x = place(tick)
        parts += [_line("axis", x, height, x, height + 5), _text(label, x, height + 20, "middle")]
    return [*parts, _text(axis.title, _LABEL_WIDTH + _PLOT_WIDTH / 2, height + 42, "middle")]


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _label(text: str, y: float) -> str:
    return _text(shortened(text, _LABEL_CHARACTERS), _LABEL_WIDTH - 10, y + 4, "end")


def _text(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{readable(text)}</text>' if text else ""
