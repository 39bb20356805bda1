"""Files added to the Hugging Face cache, in the places where huggingface-hub looks for them."""

import os
from contextlib import suppress
from pathlib import Path

from . import cache, parts
from .hub_settings import links_disabled
from .reference import Reference, RemoteFile


def part_path(repository: str, remote: RemoteFile) -> Path:
    """Return where the cache has what has arrived of a file."""
    return cache.folder(repository) / "blobs" / parts.file_name(remote)


def add(reference: Reference, remote: RemoteFile, content: Path | None) -> Path:
    """Add a file as huggingface-hub does, and return its path.

    Args:
        reference: by which it was asked for.
        remote: the file.
        content: a file in the cache with its content, which is moved; None if the cache has it
            already, under its name or its object id.

    Raises:
        OSError: it can't be written.
    """
    save_commit(reference, remote.revision)
    path, blob = cache.content_paths(reference.repository, remote)
    path.parent.mkdir(parents=True, exist_ok=True)
    if content:
        content.replace(blob)
    if content or not path.is_file():
        _put(blob, path)
    _save_object_id(path, reference.repository, remote)
    return path


def save_commit(reference: Reference, commit: str) -> None:
    """Save which commit a branch or tag has.

    Raises:
        OSError: it can't be written.
    """
    root = cache.folder(reference.repository)
    if reference.wanted_revision != commit:
        saved = root / "refs" / reference.wanted_revision
        saved.parent.mkdir(parents=True, exist_ok=True)
        saved.write_text(commit)


def _put(blob: Path, path: Path) -> None:
    """Link a path to a blob, or move the blob there where links are not possible or wanted."""
    if not links_disabled(os.environ) and _link(blob, path):
        return
    if cache.is_linked(blob):
        import shutil

        shutil.copyfile(blob, path)
    else:
        blob.replace(path)


def _link(blob: Path, path: Path) -> bool:
    target = os.path.relpath(blob, path.parent)
    if path.is_symlink() and str(path.readlink()) == target:
        return True
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(target)
    except OSError:
        return path.is_symlink()  # another process was faster
    return True


def _save_object_id(path: Path, repository: str, remote: RemoteFile) -> None:
    """Save the object id of a file that is not a link, so that it can be verified later.

    It stays valid, as a commit never changes.
    """
    if not path.is_symlink():
        saved = cache.object_id_file(repository, remote.revision, remote.name)
        with suppress(OSError):
            saved.parent.mkdir(parents=True, exist_ok=True)
            saved.write_text(f"{remote.object_id}\n")
