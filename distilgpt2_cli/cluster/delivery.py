"""The model's files on other machines: each travels there once, and is known by its hash."""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DistilError
from ..files import cannot_write
from ..models.hashing import sha256
from ..models.hub_settings import has_home

_PIECE = 32 * 2**20  # bytes that travel together
_PRIVATE = 0o700


@dataclass(frozen=True)
class Delivered:
    """A file.

    Attributes:
        path: where it is on the machine that sends it.
        size: in bytes.
        sha256: of its content.
        pieces: references to its bytes in Ray's object store; none if it needs not travel.
    """

    path: Path
    size: int
    sha256: str
    pieces: tuple[Any, ...] = ()


def delivered(files: Mapping[Path, str | None], *, sent: bool) -> list[Delivered]:
    """Return files as others can have them.

    Args:
        files: with their SHA-256, where it is known.
        sent: put their bytes into Ray's object store.

    Raises:
        DistilError: one can't be read.
    """
    return [_delivered(path, known, sent=sent) for path, known in files.items()]


def _delivered(path: Path, known: str | None, *, sent: bool) -> Delivered:
    pieces = tuple(_pieces(path)) if sent else ()
    return Delivered(path, path.stat().st_size, known or sha256(path), pieces)


def _pieces(path: Path) -> Iterator[Any]:
    import ray

    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield ray.put(piece)


def placed(files: Sequence[Delivered], environment: Mapping[str, str]) -> dict[Path, Path]:
    """Return where each file is on this machine, after receiving those that are not here.

    Files that were in one folder, as those of a split model must be, are in one folder again.

    Raises:
        DistilError: one can't be written, or is not what was sent.
    """
    if all(_is_here(file) for file in files):
        return {file.path: file.path for file in files}
    folder = _folder(files, environment)
    parents = sorted({file.path.parent for file in files})
    places = {
        file.path: folder / str(parents.index(file.path.parent)) / file.path.name for file in files
    }
    try:
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            for file in files:
                _receive(file, places[file.path])
    except OSError as error:
        raise cannot_write(
            error, folder, "Free some space there, or use a smaller model."
        ) from None
    return places


def _is_here(file: Delivered) -> bool:
    return _has(file.path, file)


def _has(path: Path, file: Delivered) -> bool:
    try:
        return path.stat().st_size == file.size and sha256(path) == file.sha256
    except (OSError, DistilError):
        return False


def _folder(files: Sequence[Delivered], environment: Mapping[str, str]) -> Path:
    """Return the folder of these files, by the XDG Base Directory Specification."""
    cache = environment.get("XDG_CACHE_HOME", "")
    if not Path(cache).is_absolute():
        cache = os.path.expanduser("~/.cache")  # noqa: PTH111 - it keeps an unknown home
    if not has_home(Path(cache)):
        raise DistilError(
            "There is no home folder for the model on this machine.",
            "Set HOME for the user that Ray runs as, or a folder for caches in XDG_CACHE_HOME.",
        )
    names = "".join(f"{file.sha256} {file.path.name}\n" for file in files)
    return Path(cache) / "distil" / "models" / hashlib.sha256(names.encode()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time into the block, as several actors of a machine start together."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _receive(file: Delivered, place: Path) -> None:
    if _has(place, file):
        return
    import ray

    place.parent.mkdir(mode=_PRIVATE, exist_ok=True)
    part = place.with_name(f"{place.name}.part")
    digest = hashlib.sha256()
    with part.open("wb") as target:
        for piece in file.pieces:
            data = ray.get(piece)
            digest.update(data)
            target.write(data)
    if digest.hexdigest() != file.sha256:
        raise DistilError(
            f"{file.path} has changed since the run began, or was damaged on its way.",
            "Run the command again.",
        )
    part.replace(place)
