"""The Hugging Face cache, read by its documented layout and without a network client.

``refs/<revision>`` holds the commit of a branch or tag, ``snapshots/<commit>/<name>`` links to
``blobs/<object id>``. On a file system without symbolic links it is the file itself.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from .catalog import DEFAULT_QUANTIZATION
from .names import choose, models
from .reference import ModelFile, ModelReference, RemoteFile

_COMMIT = re.compile(r"[0-9a-f]{40}")
_OBJECT_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")


def find(reference: ModelReference) -> ModelFile | None:
    """Return the cached file of a reference, if it is here; its content is not read.

    Raises:
        ModelUnavailableError: several cached files have that quantization.
    """
    commit = _commit(reference)
    if commit is None:
        return None
    snapshot = folder(reference.repository) / "snapshots" / commit
    name = reference.file_name or _name(reference, commit)
    if name is None or not (snapshot / name).is_file():
        return None
    if mark(reference.repository, commit, name).exists():
        return None
    return describe(snapshot / name, name, reference, commit)


def describe(path: Path, name: str, reference: ModelReference, commit: str) -> ModelFile:
    """Return what is known of a cached file without reading it."""
    known = object_id(path, reference)
    return ModelFile(
        path=path,
        name=name,
        size=path.stat().st_size,
        repository=reference.repository,
        revision=commit,
        sha256=known if known is not None and len(known) == 64 else None,
    )


def object_id(path: Path, reference: ModelReference) -> str | None:
    """Return the id that the content of a cached file must have, if it can be known here.

    The catalog tells it, or the link's name, or without a link what `remember` has kept.
    """
    if reference.pinned:
        return reference.pinned.sha256
    # Only the first link names the object; a blob may link on to a store that repositories share.
    if path.is_symlink():
        known = path.readlink().name
    else:
        commit, *name = path.relative_to(folder(reference.repository) / "snapshots").parts
        try:
            known = _note(reference.repository, commit, "/".join(name)).read_text().strip()
        except OSError:
            return None
    return known if _OBJECT_ID.fullmatch(known) else None


def remember(path: Path, repository: str, remote: RemoteFile) -> None:
    """Keep the object id of a file that is no link, so that it can be verified later.

    A commit never changes: what is true of its files once is true for ever.
    """
    if not path.is_symlink():
        with suppress(OSError):
            _note(repository, remote.revision, remote.name).write_text(f"{remote.object_id}\n")


def forget(file: ModelFile) -> None:
    """Remove what `remember` has kept of a file."""
    if file.repository and file.revision:
        _note(file.repository, file.revision, file.name).unlink(missing_ok=True)


def settle(path: Path, object_id: str, repository: str) -> None:
    """Give a file that is no link the content that has just arrived.

    Without symbolic links huggingface-hub leaves that among the blobs if there was a file before.

    Raises:
        OSError: it can't be moved.
    """
    blob = folder(repository) / "blobs" / object_id
    if path.is_symlink() or not blob.is_file() or blob.is_symlink() or is_linked(blob):
        return
    with suppress(FileNotFoundError):  # another process was quicker
        blob.replace(path)


def places(repository: str, remote: RemoteFile) -> list[Path]:
    """Return where the cache keeps the content of a file under its name or its object id."""
    root = folder(repository)
    return [root / "snapshots" / remote.revision / remote.name, root / "blobs" / remote.object_id]


def discard(path: Path) -> None:
    """Remove a cached file: the link in the snapshot and the blob that it links to."""
    if path.is_symlink():
        blob = path.parent / path.readlink()
        if blob.parent.name == "blobs":
            blob.unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def is_linked(blob: Path) -> bool:
    """Tell whether a file of any snapshot links to this blob."""
    snapshots = blob.parent.parent / "snapshots"
    return any(
        path.is_symlink() and os.path.normpath(path.parent / path.readlink()) == str(blob)
        for path in snapshots.rglob("*")
    )


def mark(repository: str, commit: str, name: str) -> Path:
    """Return the file that says that what has this name may not have been hashed yet.

    It is there while a download is under way, and remains if that is killed.
    """
    return _among_locks(repository, f"{commit}.{name.replace('/', '--')}.distil.lock")


def partial_files(repository: str, object_id: str) -> list[Path]:
    """Return what downloads of this content, under way or killed, have left in the cache so far."""
    return list((folder(repository) / "blobs").glob(f"{object_id}.*.incomplete"))


def quantizations(repository: str, revision: str | None) -> list[str]:
    """Return the quantizations that are cached of a repository other than the catalog's."""
    reference = ModelReference(DEFAULT_QUANTIZATION, repository, revision)
    commit = _commit(reference)
    return [] if commit is None else sorted(set(models(_names_in(reference, commit)).values()))


def folder(repository: str) -> Path:
    """Return the folder that the cache has, or would have, for a repository."""
    from huggingface_hub import constants

    separator = constants.REPO_ID_SEPARATOR
    return Path(constants.HF_HUB_CACHE) / separator.join(["models", *repository.split("/")])


def _note(repository: str, commit: str, name: str) -> Path:
    return _among_locks(repository, f"{commit}.{name.replace('/', '--')}.distil.id")


def _among_locks(repository: str, name: str) -> Path:
    """Return a file among the locks of huggingface-hub, where nobody looks for files of models."""
    return folder(repository).parent / ".locks" / folder(repository).name / name


def _commit(reference: ModelReference) -> str | None:
    revision = reference.wanted_revision
    if _COMMIT.fullmatch(revision):
        return revision
    try:
        commit = (folder(reference.repository) / "refs" / revision).read_text().strip()
    except OSError:
        return None
    return commit if _COMMIT.fullmatch(commit) else None


def _name(reference: ModelReference, commit: str) -> str | None:
    names = _names_in(reference, commit)
    if reference.quantization not in models(names).values():
        return None
    return choose(names, reference.quantization, reference.repository)


def _names_in(reference: ModelReference, commit: str) -> list[str]:
    snapshot = folder(reference.repository) / "snapshots" / commit
    return [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*")]
