"""A file that grows by whole lines, and that a later run can go on with."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import DistilError
from .files import cannot_write

_REMEDY = "Choose another file with --output."


class GrowingFile:
    """An open file, which no other process writes meanwhile.

    Attributes:
        path: of the file.
        torn: what stands after the last whole line, once `lines` has come to its end.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Write nothing yet."""
        self.path = path
        self.torn = b""
        self._descriptor = descriptor
        self._end = 0  # of the whole lines that are kept

    def lines(self) -> Iterator[bytes]:
        """Yield the whole lines of an earlier run, which are kept.

        Raises:
            DistilError: they can't be read.
        """
        try:
            with os.fdopen(os.dup(self._descriptor), "rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        self.torn = line
                        return
                    self._end += len(line)
                    yield line
        except OSError as error:
            raise DistilError(f"Can't read {self.path}: {error.strerror}.", _REMEDY) from None

    def begin(self) -> None:
        """Remove all but the lines that are kept, to go on after them.

        Raises:
            DistilError: the file can't be written.
        """
        try:
            os.ftruncate(self._descriptor, self._end)
            os.lseek(self._descriptor, self._end, os.SEEK_SET)
        except OSError as error:
            raise cannot_write(error, self.path, _REMEDY) from None

    def write(self, line: str) -> None:
        """Write a line at once.

        Raises:
            DistilError: it can't be written.
        """
        rest = memoryview(line.encode())
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise cannot_write(error, self.path, _REMEDY) from None


@contextmanager
def open_growing_file(path: Path, *, force: bool, resume: bool) -> Iterator[GrowingFile]:
    """Open such a file; a new one in which nothing was written is removed at the end.

    Args:
        path: of the file.
        force: it may replace another file.
        resume: it may have lines already.

    Raises:
        DistilError: it exists and may not be written, or another process writes it.
    """
    is_new = not os.path.lexists(path)
    exclusive = 0 if force or resume else os.O_EXCL
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | exclusive, 0o666)
    except FileExistsError:
        raise DistilError(
            f"{path} already exists.",
            "Use another name, go on with it with --resume, or overwrite it with --force.",
        ) from None
    except OSError as error:
        raise cannot_write(error, path, _REMEDY) from None
    try:
        _check(path, descriptor)
        yield GrowingFile(path, descriptor)
    finally:
        if is_new and os.fstat(descriptor).st_size == 0:
            with suppress(OSError):
                path.unlink()
        os.close(descriptor)


def _check(path: Path, descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise DistilError(
            f"{path} is not a regular file.", "Use another name, or leave out --output."
        )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DistilError(
            f"Another process writes {path}.", "Wait for its end, or choose another file."
        ) from None
    except OSError:  # the file system has no locks
        pass
