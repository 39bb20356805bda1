"""A plot of perplexity against file size, with matplotlib."""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from ...errors import DistilError
from ...files import check_new_file, new_file
from .report import Result


def check_plot(path: Path, force: bool) -> None:
    """Make sure, before the measurement, that the plot can be written.

    Raises:
        UsageError: the name has another ending.
        DistilError: the file can't be written, or matplotlib is missing.
    """
    check_new_file(path, (".svg", ".png"), force=force)
    if find_spec("matplotlib") is None:
        from ...machine.installation import extra_command

        raise DistilError(
            "--plot needs matplotlib, which is not installed.",
            f"Install it with: {extra_command('plot')}",
        )


def write_plot(path: Path, results: Sequence[Result], *, force: bool) -> None:
    """Draw one point per model, with the standard error of its perplexity.

    ``force`` lets the file replace another one.

    Raises:
        DistilError: the file can't be written.
    """
    # Such as that its cache of fonts can't be written, which makes no difference to the plot.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
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
    # Without a date, the same figures give the same file. matplotlib's own writing of files does
    # not say why it failed.
    drawn = BytesIO()
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(drawn, format=path.suffix[1:], metadata=metadata)
    with new_file(path, force=force) as part:
        part.write_bytes(drawn.getvalue())
