"""A user's files: how they are named, and how a command writes one, complete or not at all."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from .errors import DistilError, UsageError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk that is full, or of a limit on what may be on it."""

_PREFIX = ".distil-"
_ANOTHER_FOLDER = "Choose another folder for it."


def own_path(name: str) -> Path:
    """Return the path of a user's file; ``~`` at its beginning is the home folder.

    A shell expands it at the beginning of a word only, not after ``--model=`` nor in a variable.
    """
    return Path(os.path.expanduser(name))  # noqa: PTH111 - it keeps the name where there is no home


def check_new_file(path: Path, endings: Sequence[str], *, force: bool) -> None:
    """Check, before the work, that `new_file` can write a file.

    Args:
        path: of the file.
        endings: what its name may end with, such as ``.svg``.
        force: it may replace another file.

    Raises:
        UsageError: its name has none of the endings.
        DistilError: it exists and may not be replaced, or its folder does not exist or can't be
            written.
    """
    if path.suffix not in endings:
        others = ", ".join(endings[:-1])
        known = f"{others} or {endings[-1]}" if others else endings[-1]
        raise UsageError(f"{path} must end in {known}.", "Change the name of the file.")
    if not path.parent.is_dir():
        raise DistilError(
            f"{path.parent} is not a folder.", "Create it, or choose another folder for the file."
        )
    with place_beside(path, _ANOTHER_FOLDER):
        if os.path.lexists(path) and not force:
            raise DistilError(
                f"{path} already exists.", "Use another name, or overwrite it with --force."
            )


@contextmanager
def new_file(path: Path, *, force: bool, remedy: str = _ANOTHER_FOLDER) -> Iterator[Path]:
    """Give a path to write to; the file appears at ``path`` when the block ends without an error.

    Args:
        path: of the file. A missing folder is created.
        force: it may replace another file.
        remedy: what to do if it can't be written, as a sentence.

    Raises:
        DistilError: the file can't be written; or another one has appeared there and may not be
            replaced, and the new one has another name.
    """
    with place_beside(path, remedy) as folder:
        part = folder / path.name
        yield part
        if force:
            part.replace(path)
        elif not _put_if_free(part, path):
            raise DistilError(
                f"{path} was created during the run, and was not overwritten.",
                f"The result is in {_put_beside(part, path)}.",
            )


def cannot_write(
    error: OSError, path: object, remedy: str, again: str = "run the command again"
) -> DistilError:
    """Return the error for a person to read: what can't be written, why, and what to do.

    Args:
        error: what the system said.
        path: of the file.
        remedy: a sentence for all reasons but those that have one of their own.
        again: how to go on after such a reason has gone, as a clause.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = f"Free some space on this disk, then {again}."
    elif error.errno == errno.EFBIG:
        remedy = "Raise the limit on file sizes (ulimit -f), or use another disk."
    return DistilError(f"{path} can't be written: {error.strerror or error}.", remedy)


def _put_if_free(part: Path, path: Path) -> bool:
    """Give a complete file its name unless there is another file of that name."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError:  # this file system has no hard links: an empty file reserves the name
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        part.replace(path)
    return True


def _put_beside(part: Path, path: Path) -> Path:
    """Give a complete file the first free name like ``path``, and return it."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(name for name in names if _put_if_free(part, name))


@contextmanager
def place_beside(path: Path, remedy: str) -> Iterator[Path]:
    """Give a private folder on the disk of a file, and say of errors that they concern the file.

    Args:
        path: of the file. A missing folder is created.
        remedy: what to do if it can't be written, as a sentence.

    Raises:
        DistilError: there is a folder of that name, or something can't be written.
    """
    if path.is_dir():
        raise DistilError(
            f"{path} is a folder.", "Move it away, or choose another place for the file."
        )
    try:
        with private_folder(path.parent) as folder:
            yield folder
    except OSError as error:
        raise cannot_write(error, path, remedy) from error


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """Make a hidden folder with a random name, and remove it and all in it at the end.

    Those that killed processes have left in the same place are removed, too.
    """
    import tempfile

    parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(parent)
    with tempfile.TemporaryDirectory(
        prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True
    ) as name:
        descriptor = _claim(Path(name))
        try:
            yield Path(name)
        finally:
            os.close(descriptor)


def remove_abandoned(parent: Path) -> None:
    """Remove the private folders in a place that killed processes have left."""
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(left)


def _claim(folder: Path) -> int:
    """Mark a folder as one of ours that is in use, and return the descriptor of the marker.

    The marker is locked before it gets its name, so that no process ever sees it unlocked while
    this one lives. Where the file system has no locks, there is no marker.
    """
    import fcntl

    unnamed = folder / "new.lock"
    descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(_marker(folder))
    return descriptor


def _marker(folder: Path) -> Path:
    """Return the file that proves a folder to be ours: its random name stands in both."""
    return folder / f"{folder.name}.lock"


def _remove_if_abandoned(folder: Path) -> None:
    """Remove a folder that `_claim` has marked if the process that did so no longer lives."""
    import fcntl
    import shutil

    try:
        descriptor = os.open(_marker(folder), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)  # which follows no link
    except OSError:
        pass
    finally:
        os.close(descriptor)
