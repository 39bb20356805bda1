"""Parts of files whose download did not end, kept so that the next download goes on there.

A part stands beside the place of its file, has the object id of the content in its name, and is
written by one process at a time. It gets the name of the file when it has the right hash.
"""

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .reference import OBJECT_ID, RemoteFile

KEPT_DAYS = 7
"""A part that has not grown for so long is removed by the next download to its folder."""

_NAME = re.compile(rf"\.?(?:{OBJECT_ID.pattern})\.(?P<name>.+\.gguf)\.incomplete", re.IGNORECASE)
_MAX_NAME = 150  # bytes; with the rest, less than the 255 that file systems allow


class Part:
    """What has arrived of a file, open for this process alone.

    Attributes:
        path: where it is.
        size: in bytes.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take a path, and the descriptor of what is there."""
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor

    def append(self, data: bytes) -> None:
        """Write data at the end.

        Raises:
            OSError: it can't be written.
        """
        rest = memoryview(data)
        while rest:
            # At a position: where locks do nothing, another process writes the same bytes there.
            count = os.pwrite(self._descriptor, rest, self.size)
            self.size += count
            rest = rest[count:]

    def clear(self) -> None:
        """Forget all that has arrived."""
        os.ftruncate(self._descriptor, 0)
        self.size = 0

    def check_space(self, size: int) -> None:
        """Check that the disk has space for the rest of a file of so many bytes.

        Raises:
            OSError: it has not.
        """
        disk = os.statvfs(self.path.parent)
        # Some file systems of a network report that they have no blocks at all.
        if disk.f_blocks and disk.f_bavail * disk.f_frsize < size - self.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))


def file_name(remote: RemoteFile) -> str:
    """Return the name of a file's part, which says whose content it is."""
    flat = remote.name.replace("/", "--")
    name = os.fsencode(flat)[-_MAX_NAME:].decode(errors="ignore")
    return f"{remote.object_id}.{name}.incomplete"


def parts_in(folder: Path) -> list[tuple[Path, str]]:
    """Return the parts in a folder, each with the name of its file, shortened if it is long."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is needed
    except OSError:
        return []
    matches = ((name, _NAME.fullmatch(name)) for name in names)
    return [(folder / name, match["name"]) for name, match in matches if match]


@contextmanager
def opened(path: Path, waiting: Callable[[], None]) -> Iterator[Part]:
    """Open the part at a path, a new one if there is none, and lock it until the block ends.

    A part that is empty then is removed. ``waiting`` is called if another process has it.

    Raises:
        OSError: it can't be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _locked(path, waiting)
    try:
        _remove_useless(path)
        part = Part(path, descriptor)
        try:
            yield part
        finally:
            if not part.size:
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _locked(path: Path, waiting: Callable[[], None]) -> int:
    while True:
        descriptor = _opened(path)
        try:
            if not lock(descriptor):
                waiting()
                lock(descriptor, wait=True)
            with suppress(FileNotFoundError):  # the other process has completed or removed it
                if os.path.samestat(os.fstat(descriptor), path.lstat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(path: Path) -> int:
    """Open a part of this user's, or make one in the place of anything else."""
    while True:
        with suppress(FileExistsError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with suppress(FileNotFoundError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            path.unlink()


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Lock a file, and return whether this process has it; yes where there are no locks."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def remove(path: Path) -> int:
    """Remove a part unless a process has it open, and return how many bytes this frees."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return 0
    try:
        if not lock(descriptor):
            return 0
        size = os.fstat(descriptor).st_size
        path.unlink(missing_ok=True)
        return size
    finally:
        os.close(descriptor)


def _remove_useless(wanted: Path) -> None:
    """Remove parts with another content of the same file, and those that are too old."""
    oldest = time.time() - KEPT_DAYS * 86_400
    wanted_name = wanted.name.lstrip(".").partition(".")[2]
    for path, name in parts_in(wanted.parent):
        with suppress(OSError):
            is_useless = wanted_name == f"{name}.incomplete" or path.lstat().st_mtime < oldest
            if is_useless and path != wanted:
                remove(path)
