"""Hashes of files."""

from pathlib import Path

_CHUNK = 1 << 20  # bytes


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Raises:
        OSError: it can't be read.
    """
    return _digest(path, "sha256")


def matches(path: Path, object_id: str) -> bool:
    """Tell whether a file has the object id that the Hub gives it.

    That is the SHA-256 of a file in large-file storage (64 digits), and of another one the name
    of its git blob (40 digits).

    Raises:
        OSError: the file can't be read.
    """
    if len(object_id) == 64:
        return _digest(path, "sha256") == object_id
    return _digest(path, "sha1", b"blob %d\0" % path.stat().st_size) == object_id


def _digest(path: Path, algorithm: str, prefix: bytes = b"") -> str:
    import hashlib

    digest = hashlib.new(algorithm, prefix, usedforsecurity=algorithm != "sha1")
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
