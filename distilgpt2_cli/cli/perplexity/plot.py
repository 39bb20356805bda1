"""Plots of what a model's size costs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..shared.plot import figure_file
from .result import Result

if TYPE_CHECKING:
    from ...engine import ReferenceComparison, Spread


class _Panel(NamedTuple):
    """A figure of each model, against the size of its file.

    Attributes:
        label: of the axis.
        figure: returns the figure and its standard error, None where a model has none.
        is_logarithmic: whether the axis is, if all figures are above 0.
    """

    label: str
    figure: Callable[[Result], tuple[float, float | None] | None]
    is_logarithmic: bool = False


def write_plot(path: Path, results: Sequence[Result], *, force: bool) -> None:
    """Draw one point per model, with the standard error of its perplexity.

    There are more panels if the results have all figures of a comparison. ``force`` lets the file
    replace another one.

    Raises:
        DistilError: the file can't be written.
    """
    if any(result.spread for result in results):
        rows = len(_PANELS) // 2
        with figure_file(path, (10, 3.2 * rows + 0.6), force=force) as figure:
            for panel, axes in zip(_PANELS, figure.subplots(rows, 2).flat, strict=True):
                _draw(axes, panel, results)
            handles, labels = figure.axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=4)
        return
    with figure_file(path, (7, 4.5), force=force) as figure:
        axes = figure.subplots()
        _draw(axes, _PANELS[0], results)
        _write_names(axes, results)


def _draw(axes: Any, panel: _Panel, results: Sequence[Result]) -> None:
    """Draw a panel, in which each model has the colour that it has in all others."""
    found = [panel.figure(result) for result in results]
    for number, (result, point) in enumerate(zip(results, found, strict=True)):
        if point:
            value, error = point
            name, colour = _name(result), f"C{number % 10}"
            size = result.file.size / 1e6
            axes.errorbar(size, value, yerr=error, fmt="o", capsize=3, color=colour, label=name)
    if panel.is_logarithmic and all(point[0] > 0 for point in found if point):
        axes.set_yscale("log")
        # matplotlib's own labels are formulas, which are off.
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("size in MB")
    axes.set_ylabel(panel.label)
    axes.margins(x=0.15)
    axes.grid(alpha=0.3)


def _write_names(axes: Any, results: Sequence[Result]) -> None:
    sizes = [result.file.size / 1e6 for result in results]
    middle = (min(sizes) + max(sizes)) / 2
    for size, result in zip(sizes, results, strict=True):
        side, offset = ("right", -6) if size > middle else ("left", 6)
        axes.annotate(
            _name(result),
            (size, result.figures.value),
            xytext=(offset, 6),
            textcoords="offset points",
            ha=side,
        )


def _name(result: Result) -> str:
    return result.file.name.removesuffix(".gguf")


def _perplexity(result: Result) -> tuple[float, float | None]:
    return result.figures.value, result.figures.standard_error


def _compared(
    figure: "Callable[[ReferenceComparison, Spread], tuple[float, float | None]]",
) -> Callable[[Result], tuple[float, float | None] | None]:
    def of_result(result: Result) -> tuple[float, float | None] | None:
        comparison, spread = result.figures.comparison, result.spread
        return figure(comparison, spread) if comparison and spread else None

    return of_result


def _percent(share: float, error: float | None) -> tuple[float, float | None]:
    return 100 * share, None if error is None else 100 * error


_PANELS = (
    _Panel("perplexity", _perplexity),
    _Panel("perplexity ratio to the reference", _compared(lambda found, _: found.ratio)),
    _Panel(
        "mean divergence in nats", _compared(lambda found, _: found.divergence), is_logarithmic=True
    ),
    _Panel(
        "99% divergence in nats",
        _compared(lambda _, spread: (spread.divergence["p99"], None)),
        is_logarithmic=True,
    ),
    _Panel("RMS of delta p in %", _compared(lambda found, _: _percent(*found.delta_p_rms))),
    _Panel("same top in %", _compared(lambda found, _: _percent(*found.same_top))),
)
