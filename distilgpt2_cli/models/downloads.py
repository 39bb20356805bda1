"""Downloads: what is needed, from where, and whether what arrived is what was announced."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DistilError, ModelDamagedError
from . import cache, hashing, names
from .callbacks import Notice, Progress, ignore
from .catalog import CATALOG, REPOSITORY, REVISION
from .disk import cannot_write, private_folder
from .reference import ModelFile, ModelReference, RemoteFile


@dataclass(frozen=True, slots=True)
class Plan:
    """What a download would do: bring ``remote``, unless ``file`` is here already."""

    remote: RemoteFile
    file: ModelFile | None


def available(
    repository: str, revision: str | None, *, notice: Notice = ignore
) -> list[ModelReference]:
    """Return what a repository has: the catalog's, or each quantization told by a file's name.

    Raises:
        DistilError: another repository's files can't be listed.
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
        DistilError: the Hub must be asked and can't be, or doesn't have it.
    """
    remote = _announced_here(reference) or _announced_by_hub(reference, notice)
    if folder is None:
        return Plan(remote, cache.find(reference))
    target = folder / remote.base_name
    here = target.is_file() and hashing.matches(target, remote.object_id)
    return Plan(remote, _described(target, remote, reference) if here else None)


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
        notice: called with a sentence when the Hub makes one wait.
        force: download it even so.

    Raises:
        ModelDamagedError: what arrived, or is announced, is not the file; nothing of it is kept.
        DistilError: it did not arrive.
    """
    here = None if force else cache.find(reference)
    object_id = here and cache.object_id(here.path, reference)
    if here and object_id:
        if hashing.matches(here.path, object_id):
            return _with_sha256(here)
        _discard(here.path)
    from . import hub

    remote = _announced_by_hub(reference, notice)
    with _marked_until_checked(reference, remote):
        # Downloads of the same content wait for each other: what is left of these after ours has
        # had its turn was left by a process that was killed.
        earlier = cache.partial_files(reference.repository, remote.object_id)
        _discard_damaged(reference, remote)
        path = hub.fetch(reference, remote, progress=progress, notice=notice, force=force)
        try:
            _settle(path, remote, reference)
            _check_content(path, remote, reference)
        except BaseException:
            cache.discard(path)
            raise
        cache.remember(path, reference.repository, remote)
        for partial in earlier:
            partial.unlink(missing_ok=True)
    return _described(path, remote, reference)


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
        folder: made if it is missing; the file has its own name in it.
        progress: as for `download`, and so is ``notice``.
        force: download it even if it is here, and replace another file of that name.

    Raises:
        ModelDamagedError: what arrived, or is announced, is not the file; nothing of it is kept.
        DistilError: it did not arrive, the folder has another file of that name, or can't be
            written.
    """
    remote = None if force else _announced_here(reference)
    if remote is None:
        remote = _announced_by_hub(reference, notice)
    target = folder / remote.base_name
    if not force and os.path.lexists(target):
        if target.is_file() and hashing.matches(target, remote.object_id):
            return _described(target, remote, reference)
        raise _exists(target, reference)
    try:
        with private_folder(folder) as private:
            arrived = None if force else _copy_from_cache(reference, remote, private)
            if arrived is None:
                remote = _announced_by_hub(reference, notice)
                arrived = _fetch_into(private, reference, remote, progress, notice)
            if not force and os.path.lexists(target):
                raise _exists(target, reference)
            arrived.replace(target)
    except OSError as error:
        raise cannot_write(error, folder) from error
    return _described(target, remote, reference)


def _announced_here(reference: ModelReference) -> RemoteFile | None:
    """Return what the catalog or the cache knows of the file."""
    if reference.pinned:
        entry = reference.pinned
        return RemoteFile(entry.name, REVISION, entry.sha256, entry.size)
    here = cache.find(reference)
    object_id = here and cache.object_id(here.path, reference)
    if here and here.revision and object_id:
        return RemoteFile(here.name, here.revision, object_id, here.size)
    return None


def _announced_by_hub(reference: ModelReference, notice: Notice) -> RemoteFile:
    from . import hub

    remote = hub.announced(reference, notice)
    entry = reference.pinned or reference.entry_at(remote.revision)
    if entry and remote.object_id != entry.sha256:
        raise ModelDamagedError(
            f"The Hub announces another {remote.name} than the catalog: object id"
            f" {remote.object_id[:12]}…, not {entry.sha256[:12]}….",
            "Nothing was downloaded; check HF_ENDPOINT, or name another --revision.",
        )
    return remote


@contextmanager
def _marked_until_checked(reference: ModelReference, remote: RemoteFile) -> Iterator[None]:
    """Keep `cache.find` from taking the file until the block ends; being killed keeps it so."""
    mark = cache.mark(reference.repository, remote.revision, remote.name)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise cannot_write(error, mark.parent) from error
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def _discard_damaged(reference: ModelReference, remote: RemoteFile) -> None:
    """Remove what is here under the file's name or object id and is something else.

    A run that was killed may have left it, and huggingface-hub would take it as it is.
    """
    for path in cache.places(reference.repository, remote):
        if path.is_file() and not hashing.matches(path, remote.object_id):
            _discard(path)


def _settle(path: Path, remote: RemoteFile, reference: ModelReference) -> None:
    try:
        cache.settle(path, remote.object_id, reference.repository)
    except OSError as error:
        raise cannot_write(error, path) from error


def _discard(path: Path) -> None:
    try:
        cache.discard(path)
    except OSError as error:
        raise cannot_write(error, path) from error


def _copy_from_cache(reference: ModelReference, remote: RemoteFile, folder: Path) -> Path | None:
    import shutil

    cached = cache.find(reference)
    if cached is None:
        return None
    copy = shutil.copyfile(cached.path, folder / "copy")
    return copy if hashing.matches(copy, remote.object_id) else None


def _fetch_into(
    folder: Path,
    reference: ModelReference,
    remote: RemoteFile,
    progress: Progress,
    notice: Notice,
) -> Path:
    from . import hub

    path = hub.fetch(reference, remote, progress=progress, notice=notice, force=True, folder=folder)
    _check_content(path, remote, reference)
    return path


def _check_content(path: Path, remote: RemoteFile, reference: ModelReference) -> None:
    if not hashing.matches(path, remote.object_id):
        raise ModelDamagedError(
            f"What arrived as {remote.name} does not have the hash that the Hub announced, and was"
            " removed.",
            f"Run `{reference.download_command}` to download it anew.",
        )


def _described(path: Path, remote: RemoteFile, reference: ModelReference) -> ModelFile:
    return _with_sha256(
        ModelFile(
            path=path,
            name=remote.name,
            size=path.stat().st_size,
            repository=reference.repository,
            revision=remote.revision,
            sha256=remote.object_id if len(remote.object_id) == 64 else None,
        )
    )


def _with_sha256(file: ModelFile) -> ModelFile:
    return file if file.sha256 else replace(file, sha256=hashing.sha256(file.path))


def _exists(target: Path, reference: ModelReference) -> DistilError:
    return DistilError(
        f"{target} exists and is not {reference.quantization} of {reference.repository}.",
        "Move it away, or replace it with --force.",
    )
