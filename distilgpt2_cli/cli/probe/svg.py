"""Plots as SVG for an HTML page: marks with intervals, and groups of bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ...terminal.sanitize import one_line, visible

SERIES = 6
"""How many colours the page's style sheet has for bars: ``series-0`` and so on."""

_LABEL_WIDTH, _PLOT_WIDTH, _NOTE_WIDTH, _ROW = 200, 420, 140, 22
_BAR, _AXIS = 14, 34
_LABEL_CHARACTERS = 28


@dataclass(frozen=True)
class Mark:
    """A value with its interval, in one row.

    Attributes:
        label: the text at the left.
        value: where the mark is.
        low: where its interval begins.
        high: where its interval ends.
        note: the text at the right.
    """

    label: str
    value: float
    low: float
    high: float
    note: str = ""


class _Scale:
    """Maps values to positions on the horizontal axis."""

    def __init__(self, low: float, high: float) -> None:
        self._low = low
        self._width = (high - low) or 1.0

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        return round(_LABEL_WIDTH + (value - self._low) / self._width * _PLOT_WIDTH, 2)


def interval_plot(
    title: str,
    marks: Sequence[Mark],
    reference: float,
    ends: tuple[float, float] | None = None,
    unit: str = "",
) -> str:
    """Return a plot with a row for each mark, and a line where there would be no difference.

    Args:
        title: what it shows, for screen readers.
        marks: the rows.
        reference: where the line is.
        ends: those of the axis; by default, all intervals and the line fit.
        unit: ``%`` to show shares as percentages.
    """
    low, high = ends or (
        min(reference, *(mark.low for mark in marks)),
        max(reference, *(mark.high for mark in marks)),
    )
    place = _Scale(low, high)
    height = len(marks) * _ROW
    parts = [_line("reference", place(reference), 0, place(reference), height)]
    for row, mark in enumerate(marks):
        y = row * _ROW + _ROW / 2
        parts += [
            _label(mark.label, y),
            _line("interval", place(mark.low), y, place(mark.high), y),
            f'<circle class="mark" cx="{place(mark.value)}" cy="{y}" r="4"/>',
            _text(mark.note, _LABEL_WIDTH + _PLOT_WIDTH + 12, y + 4, "start"),
        ]
    parts += _axis(place, sorted({low, reference, high}), height, unit)
    return _drawing(title, parts, height + _AXIS)


def bar_plot(
    title: str, labels: Sequence[str], names: Sequence[str], series: Sequence[Sequence[float]]
) -> str:
    """Return a plot with a group of bars for each label, a bar for each series, of shares.

    Args:
        title: what it shows, for screen readers.
        labels: the text at the left of each group.
        names: the text at each bar of a group.
        series: the values of each series, one for each label, from 0 to 1.
    """
    highest = max(max(values) for values in series) or 1.0
    place = _Scale(0, highest)
    group = len(series) * _BAR + 8
    height = len(labels) * group
    parts = []
    for row, label in enumerate(labels):
        top = row * group
        parts.append(_label(label, top + group / 2 - 2))
        for number, (name, values) in enumerate(zip(names, series, strict=True)):
            y, width = top + number * _BAR, round(place(values[row]) - _LABEL_WIDTH, 2)
            parts += [
                f'<rect class="series-{number % SERIES}" x="{_LABEL_WIDTH}" y="{y + 1}"'
                f' width="{width}" height="{_BAR - 3}"/>',
                _text(f"{name} {values[row]:.2%}", _LABEL_WIDTH + width + 6, y + 10, "start"),
            ]
    parts += _axis(place, [0.0, highest], height, "%")
    return _drawing(title, parts, height + _AXIS)


def readable(text: str) -> str:
    """Return a text for a page: on one line, with control characters shown, and escaped."""
    return escape(visible(one_line(text)))


def _axis(place: _Scale, ticks: Sequence[float], height: float, unit: str) -> list[str]:
    parts = [_line("axis", _LABEL_WIDTH, height, _LABEL_WIDTH + _PLOT_WIDTH, height)]
    last = float("-inf")
    for tick in ticks:
        if place(tick) - last < 48:  # their labels would touch
            continue
        last = place(tick)
        shown = (
            f"{100 * tick:.3g}%" if unit == "%" else f"{round(tick, 2) + 0:.2f}"
        )  # + 0: no "-0.00"
        parts.append(_line("axis", last, height, last, height + 5))
        parts.append(_text(shown, last, height + 20, "middle"))
    return parts


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _label(text: str, y: float) -> str:
    short = text if len(text) <= _LABEL_CHARACTERS else text[: _LABEL_CHARACTERS - 1] + "…"
    return _text(short, _LABEL_WIDTH - 10, y + 4, "end")


def _text(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{readable(text)}</text>' if text else ""


def _drawing(title: str, parts: Sequence[str], height: float) -> str:
    width = _LABEL_WIDTH + _PLOT_WIDTH + _NOTE_WIDTH
    return (
        f'<svg role="img" aria-label="{readable(title)}" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}">{"".join(parts)}</svg>'
    )
