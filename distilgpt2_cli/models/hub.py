"""Requests to the Hub, through huggingface-hub's client, which is slow to import."""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from ..errors import ModelUnavailableError
from . import hub_settings

# huggingface-hub reads the environment while it is imported, and fails at what it can't read.
hub_settings.prepare(os.environ)
warnings.filterwarnings("ignore", module="huggingface_hub")

import httpx2
from huggingface_hub import (
    HfApi,
    ModelInfo,
    constants,
    get_hf_file_metadata,
    get_token,
    hf_hub_url,
)

from .callbacks import Notice, Progress, ignore
from .catalog import REPOSITORY, REVISION
from .hub_errors import BusyError, Source, endpoint, explain
from .names import choose
from .parts import Part
from .ranges import receive
from .reference import COMMIT, OBJECT_ID, FileReference, Reference, RemoteFile
from .retry import StallWatch, with_retries

_T = TypeVar("_T")

# Its warnings and progress bars are for its own users; those who ask for its log still get it.
if not (constants.HF_DEBUG or "HF_HUB_VERBOSITY" in os.environ):
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def file_names(repository: str, revision: str, notice: Notice) -> list[str]:
    """Return the names of all files of a repository at a revision; see `listing`."""
    return listing(repository, revision, notice)[1]


def listing(repository: str, revision: str, notice: Notice) -> tuple[str, list[str]]:
    """Return the commit of a revision, and the names of all files that it has.

    Raises:
        DistilError: the Hub doesn't give them.
    """
    with _errors_explained(Source(repository, revision)):
        info = _request(lambda: _model_info(repository, revision), notice)
        names = [file.rfilename for file in info.siblings or ()]
        return info.sha or revision, [name for name in names if isinstance(name, str)]


def answer_seconds() -> float:
    """Ask the Hub once about DistilGPT2, and return how long the answer took.

    Raises:
        DistilError: there is no answer, or not that of a Hub.
    """
    with _errors_explained(Source(REPOSITORY, REVISION)):
        start = time.perf_counter()
        _model_info(REPOSITORY, REVISION)
        return time.perf_counter() - start


def _model_info(repository: str, revision: str) -> ModelInfo:
    # Unlike a request for the list of files, this takes a time limit.
    limit = constants.HF_HUB_ETAG_TIMEOUT
    return HfApi().model_info(repository, revision=revision, timeout=limit)


def describe(reference: Reference, notice: Notice) -> RemoteFile:
    """Return the Hub's description of a file; a busy Hub is asked again, with a notice.

    Raises:
        DistilError: the Hub doesn't have the file, or doesn't answer.
    """
    name = _name(reference, notice)
    with _errors_explained(Source(reference.repository, reference.wanted_revision)):
        url = hf_hub_url(reference.repository, name, revision=reference.wanted_revision)
        metadata = _request(lambda: get_hf_file_metadata(url), notice)
    commit, object_id, size = metadata.commit_hash, metadata.etag, metadata.size
    if not (
        commit
        and COMMIT.fullmatch(commit)
        and object_id
        and OBJECT_ID.fullmatch(object_id)
        and size is not None
        and 0 <= size < 1 << 63
    ):
        raise ModelUnavailableError(
            f"The answer from {endpoint()} lacks the commit, hash or size of {name}.",
            "Check HF_ENDPOINT, and the proxy if there is one.",
        )
    return RemoteFile(name, commit, object_id, size)


def _name(reference: Reference, notice: Notice) -> str:
    if isinstance(reference, FileReference):
        return reference.name
    return reference.file_name or choose(
        file_names(reference.repository, reference.wanted_revision, notice),
        reference.quantization,
        reference.repository,
    )


def fetch(
    reference: Reference,
    remote: RemoteFile,
    part: Part,
    *,
    progress: Progress,
    notice: Notice,
) -> None:
    """Append to a part what it lacks of a file.

    When no data comes for a while, or the Hub is busy, there is a notice.

    Raises:
        DistilError: it did not arrive.
        OSError: it can't be written.
    """
    source = Source(reference.repository, reference.wanted_revision)
    with _errors_explained(source), ExitStack() as transfer:
        watch = transfer.enter_context(StallWatch(notice))
        url = hf_hub_url(reference.repository, remote.name, revision=remote.revision)
        shown = None
        advance: Callable[[int], None] = ignore

        def changed() -> None:
            nonlocal shown, advance
            if shown is None:
                shown = part.size
                advance = transfer.enter_context(
                    progress(remote.base_name, remote.size, done=shown)
                )
            if part.size != shown:
                watch.data_received()
                advance(part.size - shown)
                shown = part.size

        with_retries(lambda: receive(url, remote.size, part, changed), notice)


def _request(request: Callable[[], _T], notice: Notice) -> _T:
    """Return the answer to a short request, which is repeated if the Hub is busy or silent."""

    def once() -> _T:
        try:
            with StallWatch(notice):
                return request()
        except httpx2.TimeoutException as error:
            raise BusyError(None) from error

    return with_retries(once, notice)


def _check_token() -> None:
    """Check that the token can be read, which each request sends."""
    try:
        get_token()
    except (IsADirectoryError, NotADirectoryError, PermissionError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text"
        raise ModelUnavailableError(
            f"Can't read the token in {constants.HF_TOKEN_PATH}: {reason}.",
            "Run `hf auth login` again, or set HF_TOKEN.",
        ) from error


@contextmanager
def _errors_explained(source: Source) -> Iterator[None]:
    try:
        _check_token()
        yield
    except Exception as error:
        explanation = explain(error, source)
        if explanation is None:
            raise
        raise explanation from error
