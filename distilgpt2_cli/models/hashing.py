"""Hashes of files, and the object ids by which the Hub names their content."""

import os
from collections.abc import Callable
from pathlib import Path

from ..errors import DistilError
from .callbacks import ignore

_CHUNK = 1 << 20  # bytes


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Raises:
        DistilError: it can't be read.
    """
    return _digest(path, "sha256")


def sha256_of(object_id: str | None) -> str | None:
    """Return an object id that is a SHA-256 (64 digits), and None for a git blob id (40)."""
    return object_id if object_id and len(object_id) == 64 else None


def matches(path: Path, object_id: str, advance: Callable[[int], None] = ignore) -> bool:
    """Return whether a file has the object id that the Hub gives it.

    That is the SHA-256 of a file in large-file storage, and the git blob id of any other file.
    ``advance`` is called with the number of bytes hashed since the last call.

    Raises:
        DistilError: the file can't be read.
    """
    algorithm = "sha256" if sha256_of(object_id) else "sha1"
    return _digest(path, algorithm, advance=advance) == object_id


def _digest(path: Path, algorithm: str, advance: Callable[[int], None] = ignore) -> str:
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
            f"{path} can't be read: {error.strerror}.",
            "Check its owner and permissions, and the disk.",
        ) from error
    return digest.hexdigest()
