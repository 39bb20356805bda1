"""The progress over a file, as a bar on a terminal and as two lines elsewhere."""

import codecs
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, NamedTuple, Protocol, cast

from .sanitize import one_line, visible


class Action(NamedTuple):
    """What is done to a file, in words."""

    doing: str
    done: str


DOWNLOAD = Action("Downloading", "Downloaded")
CHECK = Action("Checking", "Checked")
SCORE = Action("Scoring", "Scored")


def megabytes(count: float) -> str:
    """Return a number of bytes in megabytes of 10⁶, as the Hub shows sizes; a few in kB."""
    return f"{count / 1e3:.1f} kB" if 0 < count < 1e5 else f"{count / 1e6:.1f} MB"


class Advance(Protocol):
    """Takes the bytes done since the last call, and what else there is to say so far."""

    def __call__(self, count: int, note: str = "") -> None:
        """Show it."""


@contextmanager
def bar(stream: BinaryIO, name: str, total: int | None, *, coloured: bool) -> Iterator[Advance]:
    """Draw a bar with size, rate and time left on a terminal until the block ends."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    class VisibleCursor(Console):
        """One that hides no cursor, which would stay hidden if the process were killed."""

        def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002
            return False

    text = cast("IO[str]", codecs.getwriter("utf-8")(stream))
    console = VisibleCursor(file=text, no_color=not coloured)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(
        *columns, console=console, redirect_stdout=False, redirect_stderr=False
    ) as display:
        task = display.add_task(one_line(visible(name)), total=total, note="")

        def advance(count: int, note: str = "") -> None:
            display.update(task, advance=count, note=one_line(visible(note)))

        yield advance


@contextmanager
def lines(
    notice: Callable[[str], None], action: Action, name: str, total: int | None
) -> Iterator[Advance]:
    """Say that something starts, and when the block has ended well, how long it took."""
    size = "" if total is None else f" ({megabytes(total)})"
    notice(f"{action.doing} {name}{size}.")
    start = time.monotonic()
    yield silent
    seconds = time.monotonic() - start
    speed = "" if total is None else f" ({megabytes(total / max(seconds, 1e-9))}/s)"
    notice(f"{action.done} {name} in {seconds:.1f} s{speed}.")


def silent(count: int, note: str = "") -> None:
    """Be told, and show nothing."""
