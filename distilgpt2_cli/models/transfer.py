"""Downloads: what is needed, from where, and whether the hash of what arrived is right."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DistilError, ModelDamagedError
from ..files import new_file
from . import cache, hashing, names
from .callbacks import Notice, Progress, ignore
from .catalog import CATALOG, REPOSITORY, REVISION
from .reference import ModelFile, ModelReference, RemoteFile

_ANOTHER_FOLDER = "Choose another folder with --to."


@dataclass(frozen=True, slots=True)
class Plan:
    """What a download would do: get ``remote``, unless ``file`` is on this machine already."""

    remote: RemoteFile
    file: ModelFile | None


def available(
    repository: str, revision: str | None, *, notice: Notice = ignore
) -> list[ModelReference]:
    """Return the quantizations of a repository: from the catalog, or from its file names.

    Raises:
        DistilError: the files of another repository can't be listed.
    """
    if repository == REPOSITORY:
        quantizations = [entry.quantization for entry in CATALOG]
    else:
        from . import hub

        quantizations = names.quantizations(
            hub.file_names(repository, revision or "main", notice), repository
        )
    return [ModelReference(label, repository, revision) for label in quantizations]


def plan(reference: ModelReference, folder: Path | None = None, *, notice: Notice = ignore) -> Plan:
    """Return what `download`, or with a folder `download_to`, would do.

    The Hub is asked only for what neither the catalog nor the cache knows.

    Raises:
        DistilError: the Hub must be asked and doesn't answer, or doesn't have the file.
    """
    remote = _described_here(reference) or _described_by_hub(reference, notice)
    if folder is None:
        return Plan(remote, cache.find(reference))
    target = folder / remote.base_name
    here = target.is_file() and hashing.matches(target, remote.object_id)
    return Plan(remote, _model_file(target, remote, reference) if here else None)


def download(
    reference: ModelReference,
    *,
    progress: Progress,
    notice: Notice = ignore,
    force: bool = False,
) -> ModelFile:
    """Return the file from the Hugging Face cache, downloaded unless it is there and intact.

    Args:
        reference: which file.
        progress: called with its name and size in bytes if something must be transferred; the
            value of its context is called with the number of bytes since the last call.
        notice: called with a sentence when the Hub is slow or busy.
        force: download it even if the cache has it.

    Raises:
        ModelDamagedError: the Hub has, or sent, other content than it should; it is not kept.
        DistilError: it did not arrive.
    """
    cache.check_home()
    here = None if force else cache.find(reference)
    object_id = here and cache.object_id(here.path, reference)
    if here and object_id:
        if hashing.matches(here.path, object_id):
            return _with_sha256(here)
        _discard(here.path)
    from . import hub

    remote = _described_by_hub(reference, notice)
    with _unverified(reference, remote):
        # Downloads of the same content wait for each other: those of these parts that are still
        # there after our own download are left over from processes that were killed.
        earlier = cache.partial_files(reference.repository, remote.object_id)
        _discard_damaged(reference, remote)
        path = hub.fetch(reference, remote, progress=progress, notice=notice, force=force)
        try:
            _put_in_place(path, remote, reference)
            _check_content(path, remote, reference)
        except BaseException:
            cache.discard(path)
            raise
        cache.save_object_id(path, reference.repository, remote)
        for partial in earlier:
            partial.unlink(missing_ok=True)
    return _model_file(path, remote, reference)


def download_to(
    reference: ModelReference,
    folder: Path,
    *,
    progress: Progress,
    notice: Notice = ignore,
    force: bool = False,
) -> ModelFile:
    """Return the file in a folder of the user's: copied from the cache, or downloaded.

    Args:
        reference: which file.
        folder: created if it is missing; the file has its own name in it.
        progress: as for `download`, and so is ``notice``.
        force: download it even if it is there, and replace another file of that name.

    Raises:
        ModelDamagedError: the Hub has, or sent, other content than it should; it is not kept.
        DistilError: it did not arrive, the folder has another file of that name, or can't be
            written.
    """
    if folder.exists() and not folder.is_dir():
        raise DistilError(f"{folder} is not a folder.", _ANOTHER_FOLDER)
    remote = None if force else _described_here(reference)
    if remote is None:
        remote = _described_by_hub(reference, notice)
    target = folder / remote.base_name
    if not force and os.path.lexists(target) and not target.is_dir():
        if target.is_file() and hashing.matches(target, remote.object_id):
            return _model_file(target, remote, reference)
        raise _exists(target, reference)
    with new_file(target, force=force, remedy=_ANOTHER_FOLDER) as part:
        if force or not _copy_from_cache(reference, remote, part):
            remote = _described_by_hub(reference, notice)
            _fetch(part, reference, remote, progress, notice)
        if not force and os.path.lexists(target):
            raise _exists(target, reference)
    return _model_file(target, remote, reference)


def _described_here(reference: ModelReference) -> RemoteFile | None:
    """Return the file's description from the catalog or the cache."""
    if reference.pinned:
        entry = reference.pinned
        return RemoteFile(entry.name, REVISION, entry.sha256, entry.size)
    here = cache.find(reference)
    object_id = here and cache.object_id(here.path, reference)
    if here and here.revision and object_id:
        return RemoteFile(here.name, here.revision, object_id, here.size)
    return None


def _described_by_hub(reference: ModelReference, notice: Notice) -> RemoteFile:
    from . import hub

    remote = hub.describe(reference, notice)
    entry = reference.pinned or reference.entry_at(remote.revision)
    if entry and remote.object_id != entry.sha256:
        raise ModelDamagedError(
            f"{remote.name} on the Hub differs from the catalog: its object id is"
            f" {remote.object_id[:12]}…, not {entry.sha256[:12]}….",
            "Nothing was downloaded; check HF_ENDPOINT, or choose another --revision.",
        )
    return remote


@contextmanager
def _unverified(reference: ModelReference, remote: RemoteFile) -> Iterator[None]:
    """Let `cache.find` ignore the file until the block ends, and ever after if this is killed."""
    marker = cache.unverified_marker(reference.repository, remote.revision, remote.name)
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError as error:
        raise cache.cannot_write_cache(error, marker.parent) from error
    try:
        yield
    finally:
        marker.unlink(missing_ok=True)


def _discard_damaged(reference: ModelReference, remote: RemoteFile) -> None:
    """Remove other content that the cache has under the file's name or object id.

    It may be left over from a run that was killed, and huggingface-hub does not check it.
    """
    for path in cache.content_paths(reference.repository, remote):
        if path.is_file() and not hashing.matches(path, remote.object_id):
            _discard(path)


def _put_in_place(path: Path, remote: RemoteFile, reference: ModelReference) -> None:
    try:
        cache.put_in_place(path, remote.object_id, reference.repository)
    except OSError as error:
        raise cache.cannot_write_cache(error, path) from error


def _discard(path: Path) -> None:
    try:
        cache.discard(path)
    except OSError as error:
        raise cache.cannot_write_cache(error, path) from error


def _copy_from_cache(reference: ModelReference, remote: RemoteFile, copy: Path) -> bool:
    """Copy the file from the cache, and return whether the copy is there and intact."""
    import shutil

    cached = cache.find(reference)
    if cached is None:
        return False
    shutil.copyfile(cached.path, copy)
    return hashing.matches(copy, remote.object_id)


def _fetch(
    target: Path,
    reference: ModelReference,
    remote: RemoteFile,
    progress: Progress,
    notice: Notice,
) -> None:
    from . import hub

    path = hub.fetch(
        reference, remote, progress=progress, notice=notice, force=True, folder=target.parent
    )
    _check_content(path, remote, reference)
    path.replace(target)  # from the folders that it has in the repository


def _check_content(path: Path, remote: RemoteFile, reference: ModelReference) -> None:
    if not hashing.matches(path, remote.object_id):
        raise ModelDamagedError(
            f"The downloaded {remote.name} does not have the hash that the Hub states, and was"
            " removed.",
            f"Run `{reference.download_command}` to download it again.",
        )


def _model_file(path: Path, remote: RemoteFile, reference: ModelReference) -> ModelFile:
    return _with_sha256(
        ModelFile(
            path=path,
            name=remote.name,
            size=path.stat().st_size,
            repository=reference.repository,
            revision=remote.revision,
            sha256=remote.sha256,
        )
    )


def _with_sha256(file: ModelFile) -> ModelFile:
    return file if file.sha256 else replace(file, sha256=hashing.sha256(file.path))


def _exists(target: Path, reference: ModelReference) -> DistilError:
    return DistilError(
        f"{target} exists, and is not {reference.quantization} of {reference.repository}.",
        "Move it away, or replace it with --force.",
    )
