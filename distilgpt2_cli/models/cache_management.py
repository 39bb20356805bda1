"""The downloaded files in the cache: listed, verified and removed, without a network."""

import os
from collections.abc import Callable
from pathlib import Path

from . import cache, hashing
from .catalog import CATALOG, REPOSITORY
from .reference import ModelFile, ModelReference


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
    """Remove a file from the cache and return how many bytes this frees.

    Content to which another revision links stays, and so does a file outside the cache to which
    the cache links.

    Raises:
        OSError: it can't be removed.
    """
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
