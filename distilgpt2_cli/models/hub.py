"""Requests to the Hub, through huggingface-hub's client, which is slow to import."""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from ..errors import ModelUnavailableError
from . import cache, hub_settings

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
    hf_hub_download,
    hf_hub_url,
)

from .callbacks import Notice, Progress
from .catalog import REPOSITORY, REVISION
from .hub_errors import BusyError, Source, endpoint, explain
from .names import choose
from .reference import COMMIT, OBJECT_ID, ModelReference, RemoteFile
from .retry import StallWatch, with_retries

_T = TypeVar("_T")

# Its warnings and progress bars are for its own users; those who ask for its log still get it.
if not (constants.HF_DEBUG or "HF_HUB_VERBOSITY" in os.environ):
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def file_names(repository: str, revision: str, notice: Notice) -> list[str]:
    """Return the names of all files of a repository at a revision.

    Raises:
        DistilError: the Hub doesn't give them.
    """
    with _errors_explained(Source(repository, revision)):
        info = _request(lambda: _model_info(repository, revision), notice)
        names = [file.rfilename for file in info.siblings or ()]
        return [name for name in names if isinstance(name, str)]


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


def describe(reference: ModelReference, notice: Notice) -> RemoteFile:
    """Return the Hub's description of a file; a busy Hub is asked again, with a notice.

    Raises:
        DistilError: the Hub doesn't have the file, or doesn't answer.
    """
    name = reference.file_name
    if name is None:
        name = choose(
            file_names(reference.repository, reference.wanted_revision, notice),
            reference.quantization,
            reference.repository,
        )
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
    ):
        raise ModelUnavailableError(
            f"The answer from {endpoint()} lacks the commit, hash or size of {name}.",
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
    """Download a file into the Hugging Face cache, or into a folder, and return its path.

    There is no progress if the cache has the content. When no data comes for a while, or the Hub
    is busy, there is a notice.

    Raises:
        DistilError: it did not arrive.
        OSError: it can't be written to the folder.
    """

    def request() -> Path:
        return _transfer(reference, remote, progress, notice, force, folder)

    source = Source(reference.repository, reference.wanted_revision, to_cache=folder is None)
    with _errors_explained(source):
        return with_retries(request, notice)


def _transfer(
    reference: ModelReference,
    remote: RemoteFile,
    progress: Progress,
    notice: Notice,
    force: bool,
    folder: Path | None,
) -> Path:
    with ExitStack() as transfer:
        watch = transfer.enter_context(StallWatch(notice))

        class Relay:
            """Stands in for the tqdm bar of huggingface-hub: passes counts on, draws nothing."""

            def __init__(self, **_options: object) -> None:
                self._advance = transfer.enter_context(progress(remote.base_name, remote.size))

            def __enter__(self) -> "Relay":
                return self

            def __exit__(self, *_error: object) -> None:
                self.close()

            def close(self) -> None:
                pass  # the progress ends with the transfer

            def update(self, count: int) -> None:
                watch.data_received()
                self._advance(count)

            # With these, a download from Xet storage drives one bar instead of two: `update` gets
            # the bytes written, `update_transfer` those on the network, which differ.
            def update_transfer(self, _count: int) -> None:
                pass

            def set_postfix_str(self, *_arguments: object, **_options: object) -> None:
                pass

            set_transfer_postfix_str = set_postfix_str

        with warnings.catch_warnings():
            # A disk that is too small is reported when it is full, as an error.
            warnings.simplefilter("ignore")
            path = hf_hub_download(
                reference.repository,
                remote.name,
                revision=reference.wanted_revision,
                cache_dir=cache.root(),
                local_dir=folder,
                force_download=force,
                tqdm_class=Relay,
            )
    return Path(path)


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
