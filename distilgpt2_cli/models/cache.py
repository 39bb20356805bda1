"""The Hugging Face cache, read by its documented layout and without a network client.

``refs/<revision>`` holds the commit of a branch or tag, ``snapshots/<commit>/<name>`` links to
``blobs/<object id>``. On a file system without symbolic links it is the file itself.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DistilError
from ..files import cannot_write
from .catalog import DEFAULT_QUANTIZATION
from .hashing import sha256_of
from .hub_settings import cache_folder, has_home
from .names import choose, models
from .reference import (
    COMMIT,
    OBJECT_ID,
    FileReference,
    ModelFile,
    ModelReference,
    Reference,
    RemoteFile,
)


@contextmanager
def _errors_explained() -> Iterator[None]:
    """Say of errors that they concern the cache."""
    try:
        yield
    except OSError as error:
        raise DistilError(
            f"Can't read the Hugging Face cache: {error.filename}: {error.strerror}.",
            "Check the owner and permissions, or choose another folder with HF_HOME.",
        ) from error


@_errors_explained()
def find(reference: Reference) -> ModelFile | None:
    """Return the file of a reference if it is in the cache; its content is not read.

    Raises:
        ModelUnavailableError: several cached files have that quantization.
        DistilError: the cache can't be read.
    """
    commit = _commit(reference)
    if commit is None:
        return None
    snapshot = folder(reference.repository) / "snapshots" / commit
    name = _name(reference, commit)
    if name is None or not (snapshot / name).is_file():
        return None
    path = snapshot / name
    return ModelFile(
        path=path,
        name=name,
        size=path.stat().st_size,
        repository=reference.repository,
        revision=commit,
        sha256=sha256_of(object_id(path, reference)),
    )


@_errors_explained()
def object_id(path: Path, reference: Reference) -> str | None:
    """Return the object id that a cached file must have, if it is known without asking the Hub.

    It comes from the catalog, from the link's name, or without a link from `save_object_id`.
    """
    if reference.pinned:
        return reference.pinned.sha256
    # Only the first link names the object; a blob may link on to a store that repositories share.
    if path.is_symlink():
        known = path.readlink().name
    else:
        commit, *name = path.relative_to(folder(reference.repository) / "snapshots").parts
        try:
            known = _content(object_id_file(reference.repository, commit, "/".join(name)))
        except FileNotFoundError:
            return None
    return known if OBJECT_ID.fullmatch(known) else None


def object_id_file(repository: str, commit: str, name: str) -> Path:
    """Return the file that has the object id of a file that is not a link."""
    return _among_locks(repository, f"{commit}.{name.replace('/', '--')}.distil.id")


def delete_object_id(file: ModelFile) -> None:
    """Delete what `save_object_id` has saved of a file."""
    if file.repository and file.revision:
        object_id_file(file.repository, file.revision, file.name).unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Remove a cached file: the link in the snapshot and the blob that it links to."""
    if path.is_symlink():
        blob = path.parent / path.readlink()
        if blob.parent.name == "blobs":
            blob.unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def content_paths(repository: str, remote: RemoteFile) -> tuple[Path, Path]:
    """Return where the cache has the content of a file: under its name and under its object id."""
    root = folder(repository)
    return root / "snapshots" / remote.revision / remote.name, root / "blobs" / remote.object_id


def is_linked(blob: Path) -> bool:
    """Return whether a file of any snapshot links to this blob."""
    snapshots = blob.parent.parent / "snapshots"
    return any(
        path.is_symlink() and os.path.normpath(path.parent / path.readlink()) == str(blob)
        for path in snapshots.rglob("*")
    )


def cannot_write_cache(error: OSError, path: object) -> DistilError:
    """Return the error for a person to read; ``path`` is what it concerns if it has no path."""
    return cannot_write(error, error.filename or path, "Choose another folder with HF_HOME.")


@_errors_explained()
def quantizations(repository: str, revision: str | None) -> list[str]:
    """Return the cached quantizations of a repository other than the catalog's."""
    reference = ModelReference(DEFAULT_QUANTIZATION, repository, revision)
    commit = _commit(reference)
    return [] if commit is None else sorted(set(models(_names_in(reference, commit)).values()))


@_errors_explained()
def commit_of(repository: str, revision: str) -> str | None:
    """Return the commit that the cache knows for a revision of a repository."""
    return _commit(FileReference(repository, revision, ""))


@_errors_explained()
def cached_names(repository: str, commit: str) -> list[str]:
    """Return the names of all files of a commit that the cache has."""
    return _names_in(FileReference(repository, commit, ""), commit)


@_errors_explained()
def commits(repository: str) -> list[str]:
    """Return the commits of which the cache has files, sorted."""
    snapshots = folder(repository) / "snapshots"
    try:
        found = [path.name for path in snapshots.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if COMMIT.fullmatch(name))


def root() -> Path:
    """Return the folder of the cache, whether or not it exists."""
    return cache_folder(os.environ)


def folder(repository: str) -> Path:
    """Return the folder of a repository in the cache, whether or not it exists."""
    return root() / "--".join(["models", *repository.split("/")])


def check_home() -> None:
    """Check, before a download, that there is a place for the cache.

    Raises:
        DistilError: it would be in the home folder, and there is none.
    """
    if not has_home(root()):
        raise DistilError(
            "There is no home folder for the Hugging Face cache.",
            "Set HOME, or name a folder for the cache in HF_HOME.",
        )


def _among_locks(repository: str, name: str) -> Path:
    """Return a file among the locks of huggingface-hub, where no program looks for models."""
    return folder(repository).parent / ".locks" / folder(repository).name / name


def _commit(reference: Reference) -> str | None:
    revision = reference.wanted_revision
    if COMMIT.fullmatch(revision):
        return revision
    try:
        commit = _content(folder(reference.repository) / "refs" / revision)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise
        return None
    return commit if COMMIT.fullmatch(commit) else None


def _content(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").strip()


def _name(reference: Reference, commit: str) -> str | None:
    if isinstance(reference, FileReference) or reference.file_name:
        return reference.file_name
    names = _names_in(reference, commit)
    if reference.quantization not in models(names).values():
        return None
    return choose(names, reference.quantization, reference.repository)


def _names_in(reference: Reference, commit: str) -> list[str]:
    snapshot = folder(reference.repository) / "snapshots" / commit
    return [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*")]
