"""The panels of a probe as one figure, one below another."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...terminal.sanitize import one_line, visible
from ..shared.plot import figure_file
from .figures import COLOURS, BarPanel, IntervalPanel, Panel, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _ROW, _BAR, _AROUND = 7.0, 0.22, 0.15, 1.1  # inches
_SMALL = 8  # points
_LABEL_CHARACTERS = 40
_SOFT, _MARK = "#767676", "#0b5cad"


def write_figure(path: Path, panels: Sequence[Panel], *, force: bool) -> None:
    """Draw the panels; ``force`` lets the file replace another one.

    Raises:
        DistilError: the file can't be written.
    """
    heights = [_height(panel) for panel in panels]
    with figure_file(path, (_WIDTH, sum(heights)), force=force) as figure:
        plots = figure.subplots(len(panels), squeeze=False, height_ratios=heights)
        for panel, (axes,) in zip(panels, plots, strict=True):
            if isinstance(panel, BarPanel):
                _draw_bars(axes, panel)
            else:
                _draw_marks(axes, panel)
            _draw_axis(axes, panel)


def _height(panel: Panel) -> float:
    if isinstance(panel, BarPanel):
        return _AROUND + len(panel.labels) * (len(panel.series) * _BAR + 0.08)
    return _AROUND + len(panel.marks) * _ROW


def _draw_marks(axes: "Axes", panel: IntervalPanel) -> None:
    rows = range(len(panel.marks))
    values = [mark.value for mark in panel.marks]
    errors = [
        [mark.value - mark.low for mark in panel.marks],
        [mark.high - mark.value for mark in panel.marks],
    ]
    axes.errorbar(values, rows, xerr=errors, fmt="o", color=_MARK, markersize=4, clip_on=False)
    axes.set_yticks(rows, [_shown(mark.label) for mark in panel.marks], fontsize=_SMALL)
    axes.set_ylim(len(panel.marks) - 0.5, -0.5)
    for row, mark in enumerate(panel.marks):
        axes.annotate(
            _shown(mark.note),
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=_SMALL,
        )
    if panel.axis.reference is not None:
        axes.axvline(panel.axis.reference, color=_SOFT, linestyle="--", linewidth=0.8)
        left, right = panel.axis.sides
        for text, offset, side in ((f"← {left}", -4, "right"), (f"{right} →", 4, "left")):
            axes.annotate(
                text,
                (panel.axis.reference, 1),
                xytext=(offset, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha=side,
                fontsize=_SMALL,
                color=_SOFT,
            )


def _draw_bars(axes: "Axes", panel: BarPanel) -> None:
    count = len(panel.series)
    height = 0.9 / count
    for number, ((_, name), values) in enumerate(zip(panel.names, panel.series, strict=True)):
        places = [row + (number - (count - 1) / 2) * height for row in range(len(values))]
        colour = COLOURS[number % len(COLOURS)]
        axes.barh(places, values, height * 0.9, color=colour, label=_shown(name))
    axes.set_yticks(
        range(len(panel.labels)), [_shown(each) for each in panel.labels], fontsize=_SMALL
    )
    axes.set_ylim(len(panel.labels) - 0.5, -0.5)
    axes.legend(fontsize=_SMALL, frameon=False)


def _draw_axis(axes: "Axes", panel: Panel) -> None:
    axis = panel.axis
    axes.set_xlim(axis.ticks[0], axis.ticks[-1])
    axes.set_xticks(axis.ticks, axis.labels, fontsize=_SMALL)
    axes.set_xlabel(axis.title, fontsize=_SMALL)
    axes.set_title(_shown(panel.title, 90), fontsize=_SMALL + 1, loc="left", pad=18)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _shown(text: str, characters: int = _LABEL_CHARACTERS) -> str:
    return shortened(visible(one_line(text)), characters)
