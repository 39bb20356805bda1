"""The progress over a file, as a bar on a terminal and as two lines elsewhere."""

import codecs
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, NamedTuple, cast

from .sanitize import visible


class Action(NamedTuple):
    """What is done to a file, in words."""

    doing: str
    done: str


DOWNLOAD = Action("Downloading", "Downloaded")
CHECK = Action("Checking", "Checked")


def megabytes(count: float) -> str:
    """Return a number of bytes in megabytes of 10⁶, as the Hub shows sizes."""
    return f"{count / 1e6:.1f} MB"


@contextmanager
def bar(
    stream: BinaryIO, name: str, total: int, *, coloured: bool
) -> Iterator[Callable[[int], None]]:
    """Draw a bar with size, rate and time left on a terminal until the block ends."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    text = cast("IO[str]", codecs.getwriter("utf-8")(stream))
    console = Console(file=text, no_color=not coloured)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as display:
        task = display.add_task(escape(visible(name)), total=total)
        yield lambda count: display.advance(task, count)


@contextmanager
def lines(
    notice: Callable[[str], None], action: Action, name: str, total: int
) -> Iterator[Callable[[int], None]]:
    """Say that something starts, and when the block has ended well, how long it took."""
    notice(f"{action.doing} {name} ({megabytes(total)}).")
    start = time.monotonic()
    yield lambda _count: None
    seconds = time.monotonic() - start
    notice(f"{action.done} {name} in {seconds:.1f} s ({megabytes(total / max(seconds, 1e-9))}/s).")
