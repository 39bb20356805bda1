"""What went wrong between distil and the Hub, told by the type of huggingface-hub's exception."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ..errors import DistilError, ModelUnavailableError, UsageError
from .disk import cannot_write


@dataclass(frozen=True, slots=True)
class Source:
    """Where the file was to come from."""

    repository: str
    revision: str


class BusyError(Exception):
    """The Hub can't answer now.

    Attributes:
        status: what it answered over HTTP; None for nothing in time.
        pause: the seconds that it asks for, if it does.
    """

    def __init__(self, status: int | None, pause: float | None = None) -> None:
        """Keep both."""
        super().__init__(status, pause)
        self.status = status
        self.pause = pause


def endpoint() -> str:
    """Return the address of the Hub without a name and password that may stand in it."""
    return re.sub(r"//[^/]*@", "//", constants.ENDPOINT)


def explain(error: Exception, source: Source) -> DistilError | None:
    """Return the failure as a person should read it, or None if the exception is unknown."""
    wrapped = isinstance(error, LocalEntryNotFoundError | ValueError)
    if wrapped and isinstance(error.__cause__, Exception):
        error = error.__cause__
    for kind, tell in _TABLE:
        if isinstance(error, kind):
            return tell(error, source)
    return None


def _malformed(_: Exception, source: Source) -> DistilError:
    return UsageError(
        f"{source.repository!r} is not the name of a repository.", "Use OWNER/NAME with --repo."
    )


def _gated(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{source.repository} is gated: its owner decides who may download it.",
        f"Ask for access at {endpoint()}/{source.repository}, and set HF_TOKEN or run"
        " `hf auth login`.",
    )


def _disabled(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"The Hub has disabled {source.repository}.", "Choose another repository with --repo."
    )


def _no_repository(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"The Hub has no repository {source.repository}, or not for you.",
        "Check --repo; for a private repository set HF_TOKEN or run `hf auth login`.",
    )


def _no_revision(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{source.repository} has no revision {source.revision}.",
        "Check --revision, or leave it out.",
    )


def _no_file(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{source.repository} has no such file at revision {source.revision}.",
        "Choose another --quant or --revision.",
    )


def _offline(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"The Hub can't be asked for {source.repository}, as HF_HUB_OFFLINE is set.",
        "Unset it and run the command again.",
    )


def _status(error: Exception, source: Source) -> DistilError:
    assert isinstance(error, HfHubHTTPError)
    status = error.response.status_code
    if status in (401, 403):
        return ModelUnavailableError(
            f"The Hub refused access to {source.repository} (status {status}).",
            "Check HF_TOKEN, or run `hf auth login`.",
        )
    if status == 407:
        return _proxy(error, source)
    return ModelUnavailableError(
        f"The Hub answered with status {status}.",
        "Run the command again later.",
    )


def _busy(error: Exception, source: Source) -> DistilError:
    assert isinstance(error, BusyError)
    if error.status is None:
        return _timeout(error, source)
    what = f"The Hub answered with status {error.status}"
    if error.status == 429:
        what = "The Hub has had too many requests from here (status 429)"
    if error.pause is None:
        return ModelUnavailableError(f"{what}.", "Wait some minutes, then run the command again.")
    return ModelUnavailableError(
        f"{what}, and asks for a pause of {error.pause:.0f} s.",
        "Wait that long, then run the command again.",
    )


def _no_hub(_: Exception, _source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{endpoint()} does not answer as a Hub does.",
        "Check HF_ENDPOINT and the proxy, then run the command again.",
    )


def _proxy(_: Exception, _source: Source) -> DistilError:
    return ModelUnavailableError(
        f"The proxy does not let distil reach {endpoint()}.",
        "Check HTTPS_PROXY and HTTP_PROXY, then run the command again.",
    )


def _timeout(_: Exception, _source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{endpoint()} did not answer in time.",
        "Check the connection, then run the command again.",
    )


def _unreachable(error: Exception, _source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{endpoint()} can't be reached: {error}.",
        "Check the connection, then run the command again.",
    )


def _unsendable(_: Exception, _source: Source) -> DistilError:
    return ModelUnavailableError(
        f"HF_TOKEN, or a name that {endpoint()} gave, has characters that can't be sent.",
        "Check HF_TOKEN and HF_ENDPOINT.",
    )


def _cut_short(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"The download from {source.repository} broke off.", "Run the command again."
    )


def _system(error: Exception, source: Source) -> DistilError:
    assert isinstance(error, OSError)
    if error.errno is None:  # from huggingface-hub or hf_xet, and not from the disk
        return _cut_short(error, source)
    return cannot_write(error, Path(constants.HF_HUB_CACHE))


_Tell = Callable[[Exception, Source], DistilError]

# Subclasses stand before their bases; most are OSError too, which comes last.
_TABLE: tuple[tuple[type[Exception], _Tell], ...] = (
    (HFValidationError, _malformed),
    (GatedRepoError, _gated),
    (DisabledRepoError, _disabled),
    (RepositoryNotFoundError, _no_repository),
    (RevisionNotFoundError, _no_revision),
    (EntryNotFoundError, _no_file),
    (OfflineModeIsEnabled, _offline),
    (BusyError, _busy),
    (HfHubHTTPError, _status),
    (FileMetadataError, _no_hub),
    (httpx2.ProxyError, _proxy),
    (httpx2.TimeoutException, _timeout),
    (httpx2.ConnectError, _unreachable),
    (httpx2.LocalProtocolError, _unsendable),
    (httpx2.HTTPError, _cut_short),
    (httpx2.InvalidURL, _no_hub),
    (UnicodeEncodeError, _unsendable),
    (OSError, _system),
    # What is made of an answer that has not the form of a Hub's.
    (ValueError, _no_hub),
    (LookupError, _no_hub),
    (TypeError, _no_hub),
    (AttributeError, _no_hub),
    (RecursionError, _no_hub),
    (RuntimeError, _cut_short),  # hf_xet raises it for what has no type of its own
)
