"""The progress of work: a bar or a message on a terminal, and for files two lines elsewhere."""

import codecs
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

from ..units import format_bytes
from .output import columns_of
from .sanitize import one_line, visible

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


ERASE_LINE = b"\r\x1b[2K"
_PATIENCE = 1.0  # seconds
_WIDE = 80  # columns that a bar with all of its figures needs

_drawn_on: set[BinaryIO] = set()  # terminals whose last line is a bar or a message


class Action(NamedTuple):
    """What is done to a file, in words."""

    doing: str
    done: str


DOWNLOAD = Action("Downloading", "Downloaded")
CHECK = Action("Checking", "Checked")
SCORE = Action("Scoring", "Scored")
MEASURE = Action("Measuring", "Measured")
QUANTIZE = Action("Quantizing", "Quantized")


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

    columns: tuple[ProgressColumn, ...] = (BarColumn(10), DownloadColumn())
    if (columns_of(stream) or _WIDE) >= _WIDE:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _drawn(stream, name, total, columns, done=done, coloured=coloured) as advance:
        yield advance


@contextmanager
def counting_bar(
    stream: BinaryIO, name: str, total: int | None, *, coloured: bool
) -> Iterator[Advance]:
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
    with (
        _noted(stream),
        Progress(
            TextColumn("{task.description}", markup=False),
            *columns,
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=transient,
        ) as display,
    ):
        task = display.add_task(one_line(visible(name)), total=total, completed=done, note="")

        def advance(count: int, note: str = "") -> None:
            display.update(task, advance=count, note=one_line(visible(note)))

        yield advance


@contextmanager
def _noted(stream: BinaryIO) -> Iterator[None]:
    """Have what is drawn on a stream erased if the process ends at once.

    This begins before anything is drawn: the process can end at any moment.
    """
    _drawn_on.add(stream)
    try:
        yield
    finally:
        _drawn_on.discard(stream)


def erase_drawn() -> None:
    """Erase what is on the last line of a terminal, for a process that ends at once."""
    for stream in tuple(_drawn_on):  # another thread may draw
        os.write(stream.fileno(), ERASE_LINE)


@contextmanager
def delayed(drawn: AbstractContextManager[Advance]) -> Iterator[Advance]:
    """Draw a bar only if work takes so long that a person wonders; short work shows nothing."""
    lock = threading.Lock()
    done, note_shown = 0, ""
    shown: Advance | None = None
    is_over = False
    with ExitStack() as stack:

        def draw() -> None:
            nonlocal shown
            with lock:
                if not is_over:
                    shown = stack.enter_context(drawn)
                    shown(done, note_shown)

        def advance(count: int, note: str = "") -> None:
            nonlocal done, note_shown
            with lock:
                done, note_shown = done + count, note
                if shown is not None:
                    shown(count, note)

        timer = _started_timer(draw)
        try:
            yield advance
        finally:
            timer.cancel()
            with lock:
                is_over = True


def _started_timer(draw: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(_PATIENCE, draw)
    timer.daemon = True
    with suppress(RuntimeError):  # the system gives no further thread: nothing is drawn
        timer.start()
    return timer


class Waiting:
    """A message on a terminal's last line, after a moment, until it is ended."""

    _current: "Waiting | None" = None

    @classmethod
    def begin(cls, stream: BinaryIO, message: str) -> None:
        """Show a message, in place of the one before."""
        cls.end()
        cls._current = cls(stream, message)

    @classmethod
    def end(cls) -> None:
        """Erase the message, or see to it that it is never shown."""
        if cls._current is not None:
            cls._current._end()
            cls._current = None

    def __init__(self, stream: BinaryIO, message: str) -> None:
        """Write nothing yet."""
        self._stream = stream
        self._message = message
        self._lock = threading.Lock()
        self._is_over = self._is_shown = False
        self._timer = _started_timer(self._show)

    def _end(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._is_shown:
                self._stream.write(ERASE_LINE)
                self._is_shown = False
                _drawn_on.discard(self._stream)

    def _show(self) -> None:
        with self._lock:
            if not self._is_over:
                _drawn_on.add(self._stream)  # first, as in `_noted`
                self._stream.write(self._message.encode(errors="backslashreplace"))
                self._is_shown = True


@contextmanager
def lines(
    notice: Callable[[str], None], action: Action, name: str, total: int | None, done: int
) -> Iterator[Advance]:
    """Give a notice at the start, and one with the time when the block ends without an error."""
    size = "" if total is None else f" ({format_bytes(total)})"
    start_at = f", resuming at {format_bytes(done)}" if done else ""
    notice(f"{action.doing} {name}{size}{start_at}.")
    start = time.monotonic()
    yield silent
    seconds = time.monotonic() - start
    speed = "" if total is None else f" ({format_bytes((total - done) / max(seconds, 1e-9))}/s)"
    notice(f"{action.done} {name} in {seconds:.1f} s{speed}.")


def silent(count: int, note: str = "") -> None:
    """Show nothing."""
