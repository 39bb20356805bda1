"""Recovery files: copies of a text that was not saved when something ended the editor."""

import errno
import glob
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from .whole_file import sync_folder, write_to_disk

_NUMBERED = re.compile(r"\.recovered(?:-(\d+))?")
_SHORT_BYTES = 80  # of a name that leaves no room for the ending


def keep(path: Path, data: bytes) -> Path:
    """Write a new recovery file for a file, and return its name.

    It is beside the file, or in the home folder if that can't be, or else in the temporary folder.

    Raises:
        OSError: none of them can be written.
    """
    reason: OSError | None = None
    for folder in _folders(path):
        try:
            return _write_new(folder, path.name, data)
        except OSError as error:
            reason = reason or error
    assert reason
    raise reason


def kept(path: Path) -> list[Path]:
    """Return the recovery files of a file, the newest one last."""
    folders = dict.fromkeys(_folders(path))
    groups = [found for folder in folders if (found := _in_folder(folder, path.name))]
    groups.sort(key=lambda found: _modified(found[-1][1]))
    return [recovered for found in groups for _, recovered in found]


def _folders(path: Path) -> Iterator[Path]:
    yield path.parent
    with suppress(RuntimeError):  # there is no home folder
        yield Path.home()
    with suppress(OSError):  # no folder for temporary files can be written
        yield Path(tempfile.gettempdir())


def _in_folder(folder: Path, name: str) -> list[tuple[int, Path]]:
    """Return this user's recovery files in a folder by their numbers, in ascending order."""
    found = []
    for stem in (name, _shortened(name)):
        for path in folder.glob(f"{glob.escape(stem)}.recovered*"):
            numbered = _NUMBERED.fullmatch(path.name[len(stem) :])
            if numbered and _is_own(path):
                found.append((int(numbered[1] or 1), path))
    return sorted(found)


def _write_new(folder: Path, name: str, data: bytes) -> Path:
    """Write a file that only its owner can read, under a number after those that are there."""
    present = _in_folder(folder, name)
    first = present[-1][0] + 1 if present else 1
    for number in count(first):
        with suppress(FileExistsError):
            path, descriptor = _create(folder, name, number)
            break
    try:
        with open(descriptor, "wb"):  # noqa: PTH123
            write_to_disk(descriptor, data)
    except BaseException:
        path.unlink(missing_ok=True)  # it is not complete
        raise
    sync_folder(folder)
    return path


def _create(folder: Path, name: str, number: int) -> tuple[Path, int]:
    ending = f".recovered-{number}" if number > 1 else ".recovered"
    try:
        return _open_new(folder / (name + ending))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    return _open_new(folder / (_shortened(name) + ending))


def _open_new(path: Path) -> tuple[Path, int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return path, os.open(path, flags, 0o600)


def _shortened(name: str) -> str:
    """Return the beginning of a name, with a part of its hash to tell it from others like it."""
    data = os.fsencode(name)
    digest = hashlib.sha256(data).hexdigest()[:8]
    return f"{data[:_SHORT_BYTES].decode(errors='ignore')}-{digest}"


def _is_own(path: Path) -> bool:
    """Return whether this user wrote it: anybody can put a file into the temporary folder."""
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
