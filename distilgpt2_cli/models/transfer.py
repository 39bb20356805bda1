"""Downloads: what is needed, from where, and whether the hash of what arrived is right."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DistilError, ModelDamagedError
from ..files import NO_SPACE, cannot_write, new_file
from . import cache, hashing, names
from .callbacks import Notice, Progress, ignore
from .catalog import CATALOG, REPOSITORY, REVISION
from .reference import ModelFile, ModelReference, Reference, RemoteFile

if TYPE_CHECKING:
    from .parts import Part

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
    reference: Reference,
    *,
    progress: Progress,
    notice: Notice = ignore,
    force: bool = False,
) -> ModelFile:
    """Return the file from the Hugging Face cache, downloaded unless it is there and intact.

    Args:
        reference: which file.
        progress: called if something must be transferred.
        notice: called with a sentence when the Hub is slow or busy.
        force: download it even if the cache has it.

    What arrives is kept if the rest does not: see `parts`.

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
    from . import cache_writing, parts

    remote = _described_by_hub(reference, notice)
    path = cache_writing.part_path(reference.repository, remote)
    with _explained(cache.cannot_write_cache, path), parts.opened(path, _waiting(notice)) as part:
        is_here = _has_intact_content(reference, remote) and not force
        if is_here:
            part.clear()
        else:
            _complete(part, reference, remote, progress, notice)
        path = cache_writing.add(reference, remote, None if is_here else part.path)
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
    cached = None if force else _intact_in_cache(reference, remote)
    if cached:
        import shutil

        with new_file(target, force=force, remedy=_ANOTHER_FOLDER) as new:
            shutil.copyfile(cached.path, new)
        return _model_file(target, remote, reference)
    from . import parts

    remote = _described_by_hub(reference, notice)
    path = folder / f".{parts.file_name(remote)}"
    with _explained(_cannot_write_folder, target), parts.opened(path, _waiting(notice)) as part:
        if not force and target.is_file() and hashing.matches(target, remote.object_id):
            return _model_file(target, remote, reference)  # another process was faster
        with new_file(target, force=force, remedy=_ANOTHER_FOLDER) as new:
            _complete(part, reference, remote, progress, notice)
            part.path.replace(new)
    return _model_file(target, remote, reference)


def _described_here(reference: Reference) -> RemoteFile | None:
    """Return the file's description from the catalog or the cache."""
    if reference.pinned:
        entry = reference.pinned
        return RemoteFile(entry.name, REVISION, entry.sha256, entry.size)
    here = cache.find(reference)
    object_id = here and cache.object_id(here.path, reference)
    if here and here.revision and object_id:
        return RemoteFile(here.name, here.revision, object_id, here.size)
    return None


def _described_by_hub(reference: Reference, notice: Notice) -> RemoteFile:
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
def _explained(explanation: Callable[[OSError, Path], DistilError], path: Path) -> Iterator[None]:
    """Say of errors of the disk what they concern."""
    try:
        yield
    except OSError as error:
        raise explanation(error, path) from error


def _cannot_write_folder(error: OSError, path: Path) -> DistilError:
    return cannot_write(error, path, _ANOTHER_FOLDER)


def _waiting(notice: Notice) -> Callable[[], None]:
    return lambda: notice("Another process is downloading this file; waiting for it.")


def _has_intact_content(reference: Reference, remote: RemoteFile) -> bool:
    """Return whether the cache has the content, under the file's name or its object id.

    Any other content there is removed: no other program checks it.
    """
    found = False
    for path in cache.content_paths(reference.repository, remote):
        if path.is_file():
            if hashing.matches(path, remote.object_id):
                found = True
            else:
                cache.discard(path)
    return found


def _complete(
    part: "Part",
    reference: Reference,
    remote: RemoteFile,
    progress: Progress,
    notice: Notice,
) -> None:
    """Download what a part lacks, and check the hash of the whole.

    Where what an earlier run has got turns out to be damaged, all is downloaded again, once.
    """
    while True:
        resumed = part.size > 0
        _receive(part, reference, remote, progress, notice)
        if hashing.matches(part.path, remote.object_id):
            return
        part.clear()
        if not resumed:
            raise ModelDamagedError(
                f"The downloaded {remote.name} does not have the hash that the Hub states, and was"
                " removed.",
                f"Run `{reference.download_command}` to download it again.",
            )
        notice(f"The resumed {remote.name} has the wrong hash; downloading it from the beginning.")


def _receive(
    part: "Part",
    reference: Reference,
    remote: RemoteFile,
    progress: Progress,
    notice: Notice,
) -> None:
    from . import hub

    if part.size > remote.size:
        part.clear()
    part.check_space(remote.size)
    try:
        hub.fetch(reference, remote, part, progress=progress, notice=notice)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            part.clear()
            notice("The disk is full: the part that has arrived is removed.")
        if part.size:
            notice("The part that has arrived is kept: the next download resumes there.")
        raise


def _intact_in_cache(reference: Reference, remote: RemoteFile) -> ModelFile | None:
    cached = cache.find(reference)
    return cached if cached and hashing.matches(cached.path, remote.object_id) else None


def _discard(path: Path) -> None:
    with _explained(cache.cannot_write_cache, path):
        cache.discard(path)


def _model_file(path: Path, remote: RemoteFile, reference: Reference) -> ModelFile:
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
