"""Any files of a repository on the Hub, in the Hugging Face cache: for models that are imported."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import ModelUnavailableError
from . import cache, transfer
from .callbacks import Notice, Progress
from .reference import FileReference, check_place


def listed(
    repository: str, revision: str, *, offline: bool, notice: Notice
) -> tuple[str, list[str]]:
    """Return the commit of a revision, and the names of its files; offline, of those in the cache.

    Raises:
        UsageError: a name is malformed.
        ModelUnavailableError: there is no such repository or revision, or nobody can be asked.
        DistilError: the cache can't be read or written.
    """
    check_place(repository, revision)
    if not offline:
        from . import cache_writing, hub

        commit, names = hub.listing(repository, revision, notice)
        cache.check_home()
        cache_writing.save_commit(FileReference(repository, revision, ""), commit)
        return commit, names
    known = cache.commit_of(repository, revision)
    if known is None:
        raise ModelUnavailableError(
            f"{repository} is not downloaded, and distil is in offline mode.",
            f"Run `distil import {repository}` when you are online.",
        )
    return known, cache.cached_names(repository, known)


def fetched(
    repository: str,
    commit: str,
    names: Sequence[str],
    *,
    offline: bool,
    progress: Progress,
    notice: Notice,
) -> Path:
    """Return the folder of the cache that has files of a commit, downloaded if they are missing.

    Raises:
        ModelUnavailableError: a file is missing, and can't be downloaded.
        ModelDamagedError: the Hub has, or sent, other content than it should; it is not kept.
        DistilError: a file did not arrive.
    """
    for name in names:
        reference = FileReference(repository, commit, name)
        if not offline:
            transfer.download(reference, progress=progress, notice=notice)
        elif cache.find(reference) is None:
            raise ModelUnavailableError(
                f"{name} of {repository} is not downloaded, and distil is in offline mode.",
                f"Run `{reference.download_command}` when you are online.",
            )
    return cache.folder(repository) / "snapshots" / commit
