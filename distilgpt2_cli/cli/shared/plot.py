"""Figures with matplotlib, for papers: SVG, PDF or PNG."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files import check_new_file, new_file
from .extras import check_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_METADATA: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
_SETTINGS: Any = {
    # A text is not a formula, whatever it holds.
    "text.parse_math": False,
    # Publishers refuse matplotlib's default, fonts of type 3.
    "pdf.fonttype": 42,
    "svg.hashsalt": "distil",
}


def check_plot(path: Path, force: bool) -> None:
    """Make sure, before the measurement, that a figure can be written.

    Raises:
        UsageError: the name has another ending.
        DistilError: the file can't be written, or matplotlib is missing.
    """
    check_new_file(path, (".svg", ".pdf", ".png"), force=force)
    check_extra("plot", "--plot", ["matplotlib"], ["matplotlib"])


@contextmanager
def figure_file(path: Path, size: tuple[float, float], *, force: bool) -> Iterator["Figure"]:
    """Give a figure to draw on, which is written at the end of the block.

    The same drawing gives the same bytes.

    Args:
        path: of the file; its ending is the format.
        size: width and height in inches.
        force: the file may replace another one.

    Raises:
        DistilError: the file can't be written.
    """
    with _without_font_messages():
        from matplotlib import rc_context
        from matplotlib.figure import Figure

    # matplotlib's own writing of files does not say why it failed.
    drawn = BytesIO()
    with rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that its font lacks is drawn as a box
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        metadata = _METADATA.get(path.suffix, {})
        figure.savefig(drawn, format=path.suffix[1:], metadata=metadata)
    with new_file(path, force=force) as part:
        part.write_bytes(drawn.getvalue())


@contextmanager
def _without_font_messages() -> Iterator[None]:
    """Let matplotlib and the fc-list that it runs be silent about caches of fonts.

    That these can't be written makes no difference to the plot.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with ExitStack() as undo:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            standard_error = os.dup(2)
            undo.callback(os.close, standard_error)
            undo.callback(os.dup2, standard_error, 2)
            os.dup2(nowhere.fileno(), 2)
        yield
