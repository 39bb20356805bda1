"""The Hub through huggingface-hub; the only module that imports its client, which is slow."""

import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import httpx2
from huggingface_hub import (
    HfApi,
    ModelInfo,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
)

from ..errors import ModelUnavailableError
from .callbacks import Notice, Progress
from .catalog import REPOSITORY, REVISION
from .hub_errors import BusyError, Source, endpoint, explain
from .names import choose
from .patience import patiently
from .reference import ModelReference, RemoteFile
from .stall import StallWatch

_COMMIT = re.compile(r"[0-9a-f]{40}")
_OBJECT_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_T = TypeVar("_T")

# Its warnings and progress bars are for its own users; those who asked for its log still get it.
if not (constants.HF_DEBUG or "HF_HUB_VERBOSITY" in os.environ):
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def file_names(repository: str, revision: str, notice: Notice) -> list[str]:
    """Return the names of all files of a repository at a revision.

    Raises:
        DistilError: the Hub doesn't give them.
    """

    def ask() -> ModelInfo:
        # Unlike a listing of files, this takes a time limit.
        limit = constants.HF_HUB_ETAG_TIMEOUT
        return HfApi().model_info(repository, revision=revision, timeout=limit)

    with _explained(repository, revision):
        names = [file.rfilename for file in _answer(ask, notice).siblings or ()]
        return [name for name in names if isinstance(name, str)]


def answer_seconds() -> float:
    """Ask the Hub once for what it knows of DistilGPT2, and return how long it took.

    Raises:
        DistilError: it doesn't answer as it should.
    """
    with _explained(REPOSITORY, REVISION):
        start = time.perf_counter()
        HfApi().model_info(REPOSITORY, revision=REVISION, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        return time.perf_counter() - start


def announced(reference: ModelReference, notice: Notice) -> RemoteFile:
    """Return what the Hub says of the file; a Hub that is busy is asked again, with a notice.

    Raises:
        DistilError: the Hub doesn't have it or can't be asked.
    """
    name = reference.file_name
    if name is None:
        name = choose(
            file_names(reference.repository, reference.wanted_revision, notice),
            reference.quantization,
            reference.repository,
        )
    with _explained(reference.repository, reference.wanted_revision):
        url = hf_hub_url(reference.repository, name, revision=reference.wanted_revision)
        metadata = _answer(lambda: get_hf_file_metadata(url), notice)
    commit, object_id, size = metadata.commit_hash, metadata.etag, metadata.size
    if not (
        commit
        and _COMMIT.fullmatch(commit)
        and object_id
        and _OBJECT_ID.fullmatch(object_id)
        and size is not None
    ):
        raise ModelUnavailableError(
            f"{endpoint()} does not tell commit, hash and size of {name}, as a Hub does.",
            "Check HF_ENDPOINT, and the proxy if there is one.",
        )
    return RemoteFile(name, commit, object_id, size)


def fetch(
    reference: ModelReference,
    remote: RemoteFile,
    *,
    progress: Progress,
    notice: Notice,
    force: bool,
    folder: Path | None = None,
) -> Path:
    """Bring a file into the Hugging Face cache, or into a folder, and return its path.

    The progress is shown from the first byte; nothing is shown if the cache has the content. When
    nothing comes for a while, or the Hub is busy, there is a notice.

    Raises:
        DistilError: it did not arrive.
    """

    def ask() -> Path:
        return _transfer(reference, remote, progress, notice, force, folder)

    with _explained(reference.repository, reference.wanted_revision):
        return patiently(ask, notice)


def _transfer(
    reference: ModelReference,
    remote: RemoteFile,
    progress: Progress,
    notice: Notice,
    force: bool,
    folder: Path | None,
) -> Path:
    with ExitStack() as transfer:
        watch = transfer.enter_context(_watched(notice))

        class Relay:
            """What huggingface-hub takes for a tqdm bar: draws nothing and passes counts on."""

            def __init__(self, **_options: object) -> None:
                self._advance = transfer.enter_context(progress(remote.base_name, remote.size))

            def __enter__(self) -> "Relay":
                return self

            def __exit__(self, *_error: object) -> None:
                self.close()

            def close(self) -> None:
                pass  # the progress ends with the transfer

            def update(self, count: int) -> None:
                watch.bytes_came()
                self._advance(count)

            # With these, a download from Xet storage drives one bar instead of two: `update` has
            # the bytes written; those on the network, fewer or more, come to `update_transfer`.
            def update_transfer(self, _count: int) -> None:
                pass

            def set_postfix_str(self, *_arguments: object, **_options: object) -> None:
                pass

            set_transfer_postfix_str = set_postfix_str

        with warnings.catch_warnings():
            # A disk that is too small is reported when it is full.
            warnings.simplefilter("ignore")
            path = hf_hub_download(
                reference.repository,
                remote.name,
                revision=reference.wanted_revision,
                local_dir=folder,
                force_download=force,
                tqdm_class=Relay,
            )
    return Path(path)


def _answer(ask: Callable[[], _T], notice: Notice) -> _T:
    """Ask the Hub something short, again if it is busy or silent."""

    def once() -> _T:
        try:
            with _watched(notice):
                return ask()
        except httpx2.TimeoutException as error:
            raise BusyError(None) from error

    return patiently(once, notice)


def _watched(notice: Notice) -> StallWatch:
    return StallWatch(f"Nothing comes from {endpoint()}", notice)


@contextmanager
def _explained(repository: str, revision: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        explanation = explain(error, Source(repository, revision))
        if explanation is None:
            raise
        raise explanation from error
