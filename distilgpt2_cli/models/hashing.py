"""Hashes of files."""

import os
from collections.abc import Callable
from pathlib import Path

from ..errors import DistilError

_CHUNK = 1 << 20  # bytes


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Raises:
        DistilError: it can't be read.
    """
    return _digest(path, "sha256")


def _ignore(_count: int) -> None:
    pass


def matches(path: Path, object_id: str, advance: Callable[[int], None] = _ignore) -> bool:
    """Tell whether a file has the object id that the Hub gives it.

    That is the SHA-256 of a file in large-file storage (64 digits), and of another one the name
    of its git blob (40 digits). ``advance`` is called with the bytes hashed since the last call.

    Raises:
        DistilError: the file can't be read.
    """
    if len(object_id) == 64:
        return _digest(path, "sha256", advance=advance) == object_id
    return _digest(path, "sha1", advance=advance) == object_id


def _digest(path: Path, algorithm: str, advance: Callable[[int], None] = _ignore) -> str:
    import hashlib

    digest = hashlib.new(algorithm, usedforsecurity=algorithm != "sha1")
    try:
        with path.open("rb") as file:
            if algorithm == "sha1":
                digest.update(b"blob %d\0" % os.fstat(file.fileno()).st_size)
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                advance(len(chunk))
    except OSError as error:
        raise DistilError(
            f"{path} can't be read: {error.strerror}.", "Check its owner and rights, and the disk."
        ) from error
    return digest.hexdigest()
