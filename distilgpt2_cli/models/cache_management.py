"""The downloaded files in the cache: listed, verified and removed, without a network."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from . import cache, hashing, names
from .catalog import CATALOG, REPOSITORY
from .reference import COMMIT, ModelFile, ModelReference

# What stands in a repository's folder beside files: it is of no use without them.
_REFERENCES = ("refs", ".no_exist")
_TAG = "CACHEDIR.TAG"  # for backup programs; huggingface-hub writes it


def cached_files(repository: str, revision: str | None) -> list[tuple[ModelReference, ModelFile]]:
    """Return the files of a repository at a revision that are in the cache.

    Raises:
        UsageError: the repository or revision is malformed.
    """
    if repository == REPOSITORY:
        labels = [entry.quantization for entry in CATALOG]
    else:
        labels = cache.quantizations(repository, revision)
    references = [ModelReference(label, repository, revision) for label in labels]
    found = [(reference, cache.find(reference)) for reference in references]
    return [(reference, file) for reference, file in found if file is not None]


def cached_files_everywhere(repository: str) -> list[tuple[ModelReference, ModelFile]]:
    """Return the files of a repository that are in the cache, at all revisions.

    Raises:
        UsageError: the repository is malformed.
    """
    return [
        found for commit in cache.commits(repository) for found in cached_files(repository, commit)
    ]


def incomplete_files(repository: str, quantization: str | None = None) -> list[ModelFile]:
    """Return what interrupted downloads have left of a repository's files, or of some of them."""
    from . import parts

    return [
        ModelFile(path, name, path.stat().st_size, repository)
        for path, name in parts.parts_in(cache.folder(repository) / "blobs")
        if quantization in (None, *names.models([name]).values())
    ]


def is_intact(
    reference: ModelReference, file: ModelFile, advance: Callable[[int], None]
) -> bool | None:
    """Hash a file in the cache and return whether it has the hash that it must have.

    Args:
        reference: which file it is.
        file: what `find` returned for that reference.
        advance: called with the number of bytes hashed since the last call.

    Returns:
        None if neither the catalog nor the cache knows its hash.

    Raises:
        DistilError: it can't be read.
    """
    object_id = cache.object_id(file.path, reference)
    return None if object_id is None else hashing.matches(file.path, object_id, advance)


def remove(file: ModelFile) -> int:
    """Remove a file from the cache, with folders that are empty then; return the bytes freed.

    Content to which another revision links stays, and so does a file outside the cache to which
    the cache links, and one that is being downloaded.

    Raises:
        OSError: it can't be removed.
    """
    freed = _remove_part(file) if file.revision is None else _remove_complete(file)
    if file.repository:
        with suppress(OSError):
            _tidy(file.repository)
    return freed


def _remove_part(file: ModelFile) -> int:
    from . import parts

    return parts.remove(file.path)


def _remove_complete(file: ModelFile) -> int:
    path = file.path
    if not path.is_symlink():
        size = path.stat().st_size
        path.unlink()
        cache.delete_object_id(file)
        return size
    blob = Path(os.path.normpath(path.parent / path.readlink()))
    path.unlink()
    if blob.parent.name != "blobs" or cache.is_linked(blob):
        return 0
    size = 0 if blob.is_symlink() else blob.stat().st_size
    blob.unlink()
    return size


def _tidy(repository: str) -> None:
    """Remove what is of no use without a repository's files: empty folders, and references."""
    root = cache.folder(repository)
    for kind in ("snapshots", "blobs"):
        _remove_empty(root / kind)
    commits = cache.commits(repository)
    references = root / "refs"
    for reference in [path for path in references.rglob("*") if path.is_file()]:
        commit = reference.read_text(encoding="ascii", errors="replace").strip()
        if COMMIT.fullmatch(commit) and commit not in commits:
            reference.unlink()
    _remove_empty(references)
    if {path.name for path in root.iterdir()} - {*_REFERENCES}:
        return
    import shutil

    shutil.rmtree(root)
    locks = root.parent / ".locks"
    shutil.rmtree(locks / root.name, ignore_errors=True)
    _remove_empty(locks)
    _remove_empty_cache(root.parent)


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those below it as far as they are empty."""
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()


def _remove_empty_cache(folder: Path) -> None:
    if {path.name for path in folder.iterdir()} <= {_TAG}:
        (folder / _TAG).unlink(missing_ok=True)
        folder.rmdir()
        if folder.name == "hub":
            folder.parent.rmdir()
