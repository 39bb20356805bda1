"""A disk that refuses to be written, and folders for files that are not whole yet."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import DistilError

_PREFIX = ".distil-"


def cannot_write(error: OSError, folder: Path) -> DistilError:
    """Return the failure as a person should read it; ``folder`` is where the file was to go."""
    where = error.filename or folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "Free some space, or choose another folder with HF_HOME or --to."
    else:
        remedy = "Choose another folder with HF_HOME or --to."
    return DistilError(f"{where} can't be written: {error.strerror}.", remedy)


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """Make a hidden folder in another one, and remove it and all in it at the end.

    Those that killed processes have left there are removed too: a process that lives holds a lock
    on its own.

    Raises:
        OSError: it can't be made.
    """
    import tempfile

    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_if_nobody_s(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as folder:
        descriptor = _lock(Path(folder))
        try:
            yield Path(folder)
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _remove_if_nobody_s(folder: Path) -> None:
    import shutil

    descriptor = _lock(folder)
    if descriptor is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Lock a folder and return its descriptor; None if that can't be done at once."""
    import fcntl

    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return descriptor
    return None
