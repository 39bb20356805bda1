"""A plot of perplexity against file size."""

from collections.abc import Sequence
from pathlib import Path

from ..shared.plot import figure_file
from .report import Result


def write_plot(path: Path, results: Sequence[Result], *, force: bool) -> None:
    """Draw one point per model, with the standard error of its perplexity.

    ``force`` lets the file replace another one.

    Raises:
        DistilError: the file can't be written.
    """
    with figure_file(path, (7, 4.5), force=force) as figure:
        axes = figure.subplots()
        sizes = [result.file.size / 1e6 for result in results]
        middle = (min(sizes) + max(sizes)) / 2
        for size, result in zip(sizes, results, strict=True):
            value = result.figures.value
            axes.errorbar(size, value, yerr=result.figures.standard_error, fmt="o", capsize=3)
            side, offset = ("right", -6) if size > middle else ("left", 6)
            axes.annotate(
                result.file.name.removesuffix(".gguf"),
                (size, value),
                xytext=(offset, 6),
                textcoords="offset points",
                ha=side,
            )
        axes.set_xlabel("size in MB")
        axes.set_ylabel("perplexity")
        axes.margins(x=0.15)
        axes.grid(alpha=0.3)
