"""Standard input, whoever it is shared with."""

import io
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from .waiting import wait_until_ready


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
