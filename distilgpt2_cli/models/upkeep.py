"""The files that are downloaded: looked through, checked and removed, without a network."""

import os
from collections.abc import Callable
from pathlib import Path

from . import cache, hashing
from .catalog import CATALOG, REPOSITORY
from .reference import ModelFile, ModelReference


def downloaded(repository: str, revision: str | None) -> list[tuple[ModelReference, ModelFile]]:
    """Return what the cache has of a repository at a revision.

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


def is_intact(
    reference: ModelReference, file: ModelFile, advance: Callable[[int], None]
) -> bool | None:
    """Hash a file in the cache and tell whether it is what its name says.

    Args:
        reference: what the file is of.
        file: found for that reference.
        advance: called with the number of bytes hashed since the last call.

    Returns:
        None if neither the catalog nor the cache knows its hash.

    Raises:
        DistilError: it can't be read.
    """
    object_id = cache.object_id(file.path, reference)
    return None if object_id is None else hashing.matches(file.path, object_id, advance)


def remove(file: ModelFile) -> int:
    """Remove a file from the cache and return the bytes that this frees.

    Content that another revision links to stays, and so does what the cache links to elsewhere.

    Raises:
        OSError: it can't be removed.
    """
    path = file.path
    if not path.is_symlink():
        size = path.stat().st_size
        path.unlink()
        cache.forget(file)
        return size
    blob = Path(os.path.normpath(path.parent / path.readlink()))
    path.unlink()
    if blob.parent.name != "blobs" or cache.is_linked(blob):
        return 0
    size = 0 if blob.is_symlink() else blob.stat().st_size
    blob.unlink()
    return size
