"""Bytes and texts that reach a standard stream whole, or end in an error.

Little is imported here, so that what needs no more than this is quick.
"""

import io
import os
import sys

from ..errors import ReaderGoneError
from .sanitize import visible
from .waiting import wait_until_ready

TYPE_CHECKING = False  # as in typing, whose import takes longer than all of `distil --version`
if TYPE_CHECKING:
    from typing import IO, Any, BinaryIO

# What is written at once and fits is kept if Ctrl-C interrupts it, and goes before the next write.
_BUFFER_BYTES = 2**20


def take_streams() -> None:
    """Let all that this process prints, also through typer, be written whole or end in an error.

    Python's own streams don't promise that: with ``python -u`` a write may take a part only, and
    without it one to a pipe that does not block may fail.
    """
    stdout = sys.stdout.fileno() if sys.stdout else os.open(os.devnull, os.O_RDONLY)
    sys.stdout = _OutputText(_WholeWriter(stdout))
    if sys.stderr:
        sys.stderr = _ErrorText(
            _ErrorWriter(sys.stderr.fileno()),
            encoding="utf-8",
            errors="backslashreplace",
            write_through=True,
        )


def standard_output() -> "BinaryIO":
    """Return standard output; it can't be written where it is closed."""
    return sys.stdout.buffer


def standard_error() -> "BinaryIO":
    """Return standard error, or the null device where it is closed."""
    return sys.stderr.buffer if sys.stderr else null_device()


def write(stream: "BinaryIO", text: str) -> None:
    """Write a text to standard output at once.

    Raises:
        ReaderGoneError: nobody reads it any more.
        DistilError: it can't be written.
    """
    try:
        # A path may hold bytes that are not UTF-8; Python keeps them as lone surrogates.
        stream.write(text.encode(errors="surrogateescape"))
        stream.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        give_up(stream)
        from ..files import cannot_write

        raise cannot_write(error, "Standard output", "Check where it is redirected to.") from None


def give_up(stream: "BinaryIO") -> None:
    """Let what could not be written go nowhere when Python tries again at its end."""
    with null_device() as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def null_device() -> "BinaryIO":
    """Open what takes everything and keeps nothing."""
    return open(os.devnull, "wb")  # noqa: PTH123


def columns_of(stream: "IO[Any]") -> int | None:
    """Return how wide a terminal is; None for anything else, and if it does not know."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):  # no terminal, or closed
        return None


class _WholeWriter(io.BufferedWriter):
    """A stream that has written everything when a write returns, whatever the descriptor is."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(io.FileIO(descriptor, "wb", closefd=False), _BUFFER_BYTES)

    def write(self, data: "Any") -> int:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[super().write(rest) :]
            except BlockingIOError as full:
                rest = rest[full.characters_written :]
                wait_until_ready(self.fileno(), to_write=True)
        self.flush()
        return len(data)

    def flush(self) -> None:
        while True:
            try:
                return super().flush()
            except BlockingIOError:
                wait_until_ready(self.fileno(), to_write=True)


class _OutputText(io.TextIOWrapper):
    """Standard output for those that print text, such as typer its help."""

    def __init__(self, stream: _WholeWriter) -> None:
        super().__init__(stream, encoding="utf-8")
        self._stream = stream

    def write(self, text: str) -> int:
        write(self._stream, text)
        return len(text)


class _ErrorWriter(_WholeWriter):
    """Standard error, which drops what it can't write: nothing could report that."""

    def write(self, data: "Any") -> int:
        try:
            return super().write(data)
        except OSError:
            give_up(self)
            return len(data)


class _ErrorText(io.TextIOWrapper):
    """Standard error for those that print text; lets no control character reach a terminal.

    typer repeats arguments that it does not understand, and they may be names of files.
    """

    def write(self, text: str) -> int:
        return super().write(visible(text) if self.isatty() else text)
