"""The progress of work on a file: a bar on a terminal, and two lines elsewhere."""

import codecs
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

from .sanitize import one_line, visible

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


class Action(NamedTuple):
    """What is done to a file, in words."""

    doing: str
    done: str


DOWNLOAD = Action("Downloading", "Downloaded")
CHECK = Action("Checking", "Checked")
SCORE = Action("Scoring", "Scored")


def megabytes(count: float) -> str:
    """Return a number of bytes in MB (10⁶ bytes), as the Hub shows sizes, or in kB if small."""
    return f"{count / 1e3:.1f} kB" if 0 < count < 1e5 else f"{count / 1e6:.1f} MB"


class Advance(Protocol):
    """Takes the number of bytes done since the last call, and a note to show."""

    def __call__(self, count: int, note: str = "") -> None:
        """Show both."""


@contextmanager
def bar(
    stream: BinaryIO, name: str, total: int | None, done: int, *, coloured: bool
) -> Iterator[Advance]:
    """Draw a bar with size, rate and time left on a terminal until the block ends."""
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _drawn(stream, name, total, columns, done=done, coloured=coloured) as advance:
        yield advance


@contextmanager
def counting_bar(stream: BinaryIO, name: str, total: int, *, coloured: bool) -> Iterator[Advance]:
    """Draw a bar that counts finished items until the block ends, and remove it then."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _drawn(stream, name, total, columns, coloured=coloured, transient=True) as advance:
        yield advance


@contextmanager
def _drawn(
    stream: BinaryIO,
    name: str,
    total: int | None,
    columns: "Sequence[ProgressColumn]",
    *,
    done: int = 0,
    coloured: bool,
    transient: bool = False,
) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    class VisibleCursor(Console):
        """A console that never hides the cursor, which would stay hidden if this were killed."""

        def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002
            return False

    text = cast("IO[str]", codecs.getwriter("utf-8")(stream))
    console = VisibleCursor(file=text, no_color=not coloured)
    with Progress(
        TextColumn("{task.description}", markup=False),
        *columns,
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=transient,
    ) as display:
        task = display.add_task(one_line(visible(name)), total=total, completed=done, note="")

        def advance(count: int, note: str = "") -> None:
            display.update(task, advance=count, note=one_line(visible(note)))

        yield advance


@contextmanager
def lines(
    notice: Callable[[str], None], action: Action, name: str, total: int | None, done: int
) -> Iterator[Advance]:
    """Give a notice at the start, and one with the time when the block ends without an error."""
    size = "" if total is None else f" ({megabytes(total)})"
    start_at = f", resuming at {megabytes(done)}" if done else ""
    notice(f"{action.doing} {name}{size}{start_at}.")
    start = time.monotonic()
    yield silent
    seconds = time.monotonic() - start
    speed = "" if total is None else f" ({megabytes((total - done) / max(seconds, 1e-9))}/s)"
    notice(f"{action.done} {name} in {seconds:.1f} s{speed}.")


def silent(count: int, note: str = "") -> None:
    """Show nothing."""
