"""Standard input, whoever it is shared with."""

import io
import os
import stat
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from .waiting import wait_until_ready

_PART = 2**16  # bytes
_MOMENT = 5  # milliseconds in which a program that writes without a pause writes more


def standard_input() -> BinaryIO | None:
    """Return standard input, None where it is closed. Reading waits, even if it does not block."""
    if not sys.stdin:
        return None
    return io.BufferedReader(_PatientReader(sys.stdin.fileno(), "rb", closefd=False))


def lines_within(readline: Callable[[int], bytes], limit: int) -> Iterator[bytes | None]:
    """Yield lines with their ends, None for a line of over ``limit`` bytes, which is skipped."""
    while line := readline(limit + 1):
        if len(line) <= limit:
            yield line
            if not line.endswith(b"\n"):
                return  # A terminal would be asked for more.
            continue
        while line and not line.endswith(b"\n"):
            line = readline(limit)
        yield None


class LineReader:
    """Lines as `lines_within` yields them, of which one can ask whether they are there by now."""

    def __init__(
        self, descriptor: int, limit: int, failure: Callable[[OSError], Exception]
    ) -> None:
        """Read nothing yet.

        Args:
            descriptor: what is read, in parts of `_PART` bytes.
            limit: the bytes of the longest line.
            failure: makes the exception to raise if it can't be read.
        """
        self.descriptor = descriptor
        self._limit = limit
        self._failure = failure
        self._lines: deque[bytes | None] = deque()
        self._bytes = 0  # of these lines
        self._rest = b""  # the beginning of the next line
        self._rest_is_too_long = self._ended = False

    def __iter__(self) -> Iterator[bytes | None]:
        """Return the reader itself."""
        return self

    def __next__(self) -> bytes | None:
        """Return the next line, and wait for it."""
        while not self._lines:
            if self._ended:
                raise StopIteration
            self._read()
        line = self._lines.popleft()
        self._bytes -= len(line or b"")
        return line

    def ready(self) -> bool:
        """Return whether the next line, or the end, is there: asking for it would not wait."""
        while not self._lines and not self._ended and self._readable(0):
            self._read()
        return bool(self._lines) or self._ended

    def has(self, count: int, size: int) -> bool:
        """Return whether so many lines, or lines of so many bytes, are there within a moment."""
        while len(self._lines) < count and self._bytes < size:
            if self._ended or not self._readable(_MOMENT):
                return False
            self._read()
        return True

    def _readable(self, milliseconds: int) -> bool:
        import select

        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(milliseconds))

    def _read(self) -> None:
        try:
            data = os.read(self.descriptor, _PART)
        except BlockingIOError:
            wait_until_ready(self.descriptor, to_write=False)
            return
        except OSError as error:
            raise self._failure(error) from None
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._add(line + b"\n")
        if len(rest) > self._limit:
            rest, self._rest_is_too_long = b"", True
        self._rest = rest
        if not data:
            self._ended = True
            if rest or self._rest_is_too_long:
                self._add(rest)

    def _add(self, line: bytes) -> None:
        is_too_long = self._rest_is_too_long or len(line) > self._limit
        self._lines.append(None if is_too_long else line)
        self._bytes += 0 if is_too_long else len(line)
        self._rest_is_too_long = False


def has_data(descriptor: int) -> bool:
    """Return whether a file, pipe or socket has something to read. Reads nothing, never waits."""
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return os.lseek(descriptor, 0, os.SEEK_CUR) < os.fstat(descriptor).st_size
        return (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)) and _bytes_waiting(descriptor) > 0
    except OSError:
        return False


def _bytes_waiting(descriptor: int) -> int:
    import fcntl
    import termios

    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
    return int(count)


class _PatientReader(io.FileIO):
    def readinto(self, buffer: Any) -> int:
        while (count := super().readinto(buffer)) is None:
            wait_until_ready(self.fileno(), to_write=False)
        return count
