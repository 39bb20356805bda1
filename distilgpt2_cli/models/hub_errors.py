"""Errors of requests to the Hub, explained by the type of huggingface-hub's exception."""

import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass

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
    OIDCError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from socksio import SOCKSError

from ..errors import DistilError, ModelUnavailableError, UsageError
from ..failures import limit_reached
from .proxies import Proxy, proxy_for, without_password


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file should come from."""

    repository: str
    revision: str


class BusyError(Exception):
    """The Hub can't answer now.

    Attributes:
        status: its status over HTTP; None if it did not answer in time.
        pause: how many seconds to wait before the next request, if it says so.
    """

    def __init__(self, status: int | None, pause: float | None = None) -> None:
        """Take both attributes."""
        super().__init__(status, pause)
        self.status = status
        self.pause = pause


def endpoint() -> str:
    """Return the address of the Hub, without the user name and password if it has them."""
    return without_password(constants.ENDPOINT)


def proxy_in_use() -> Proxy | None:
    """Return the proxy through which the Hub is asked, None if it is asked directly."""
    return proxy_for(constants.ENDPOINT, os.environ)


def explain(error: Exception, source: Source) -> DistilError | None:
    """Return the error for a person to read.

    None stands for an exception that is unknown, or that comes from the disk.
    """
    wrapped = isinstance(error, LocalEntryNotFoundError | ValueError)
    if wrapped and isinstance(error.__cause__, Exception):
        error = error.__cause__
    known = limit_reached(error)
    if known:
        return known
    for kind, explanation in _TABLE:
        if isinstance(error, kind):
            return explanation(error, source)
    return None


def _malformed(_: Exception, source: Source) -> DistilError:
    return UsageError(
        f"{source.repository!r} is not the name of a repository.", "Use OWNER/NAME with --repo."
    )


def _gated(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{source.repository} is gated: its owner decides who may download it.",
        f"Request access at {endpoint()}/{source.repository}, then run `hf auth login` or set"
        " HF_TOKEN.",
    )


def _disabled(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"The Hub has disabled {source.repository}.", "Choose another repository with --repo."
    )


def _no_repository(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"The Hub has no repository {source.repository}, or you have no access to it.",
        "Check --repo; for a private repository, run `hf auth login` or set HF_TOKEN.",
    )


def _no_revision(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{source.repository} has no revision {source.revision}.",
        "Check --revision, or omit it.",
    )


def _no_file(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{source.repository} does not have this file at revision {source.revision}.",
        "Choose another --quant or --revision.",
    )


def _offline(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{source.repository} can't be downloaded: HF_HUB_OFFLINE is set.",
        "Unset it, then run the command again.",
    )


def _no_token(_: Exception, _source: Source) -> DistilError:
    return ModelUnavailableError(
        "HF_OIDC_RESOURCE is set, but no token can be had with it.",
        "Set HF_OIDC_ID_TOKEN, or unset HF_OIDC_RESOURCE.",
    )


def _status(error: Exception, source: Source) -> DistilError:
    assert isinstance(error, HfHubHTTPError)
    status = error.response.status_code
    if status == 407 or (_proxy_may_answer() and "X-Error-Code" not in error.response.headers):
        return _unreachable(Exception(f"it answered with status {status}"), source)
    if status in (401, 403):
        return ModelUnavailableError(
            f"The Hub refused access to {source.repository} (status {status}).",
            "Run `hf auth login`, or check HF_TOKEN.",
        )
    return ModelUnavailableError(
        f"The Hub answered with status {status}.",
        "Run the command again later.",
    )


def _busy(error: Exception, source: Source) -> DistilError:
    assert isinstance(error, BusyError)
    if error.status is None:
        return _timeout(error, source)
    if _proxy_may_answer() and error.status in (502, 503, 504) and error.pause is None:
        return _unreachable(Exception(f"it answered with status {error.status}"), source)
    what = f"The Hub answered with status {error.status}"
    if error.status == 429:
        what = "The Hub has received too many requests from you (status 429)"
    if error.pause is None:
        return ModelUnavailableError(f"{what}.", "Wait a few minutes, then run the command again.")
    return ModelUnavailableError(
        f"{what}, and asks you to wait {error.pause:.0f} s.",
        "Wait that long, then run the command again.",
    )


def _no_hub(_: Exception, _source: Source) -> DistilError:
    proxy = proxy_in_use()
    variables = f"HF_ENDPOINT and {proxy.variable}" if proxy else "HF_ENDPOINT"
    return ModelUnavailableError(
        f"{endpoint()} does not answer like a Hugging Face Hub{_through()}.",
        f"Check {variables}, then run the command again.",
    )


def _timeout(_: Exception, _source: Source) -> DistilError:
    return ModelUnavailableError(
        f"{endpoint()} did not answer in time{_through()}.",
        f"Check {_connection()}, then run the command again.",
    )


def _unreachable(error: Exception, _source: Source) -> DistilError:
    reason = _untrusted_certificate(error)
    if reason:
        return ModelUnavailableError(
            f"{endpoint()} can't be reached{_through()}: the certificate is not trusted"
            f" ({reason}).",
            "Name a file with your network's certificates in SSL_CERT_FILE.",
        )
    said = re.sub(r"^\[Errno -?\d+\] ", "", str(error)).rstrip(".")
    return ModelUnavailableError(
        f"{endpoint()} can't be reached{_through()}: {said}.",
        f"Check {_connection()}, then run the command again.",
    )


def _proxy_may_answer() -> bool:
    """Return whether an answer may come from a proxy, which with TLS fails before there is one."""
    return proxy_in_use() is not None and not constants.ENDPOINT.startswith("https:")


def _through() -> str:
    proxy = proxy_in_use()
    return f" through the proxy {proxy}" if proxy else ""


def _connection() -> str:
    proxy = proxy_in_use()
    return proxy.variable if proxy else "the connection"


def _untrusted_certificate(error: BaseException | None) -> str | None:
    """Return why a certificate is not trusted, if an exception comes from that."""
    while error:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None


def _unsendable(_: Exception, _source: Source) -> DistilError:
    return ModelUnavailableError(
        f"HF_TOKEN, or a file name from {endpoint()}, has characters that can't be sent.",
        "Check HF_TOKEN and HF_ENDPOINT.",
    )


def _cut_short(_: Exception, source: Source) -> DistilError:
    return ModelUnavailableError(
        f"The connection broke during the download from {source.repository}{_through()}.",
        "Run the command again.",
    )


def _system(error: Exception, source: Source) -> DistilError | None:
    assert isinstance(error, OSError)
    return _cut_short(error, source) if error.errno is None else None


_Explanation = Callable[[Exception, Source], DistilError | None]

# Subclasses stand before their bases. Most are OSError, too, which stands after them.
_TABLE: tuple[tuple[type[Exception], _Explanation], ...] = (
    (HFValidationError, _malformed),
    (GatedRepoError, _gated),
    (DisabledRepoError, _disabled),
    (RepositoryNotFoundError, _no_repository),
    (RevisionNotFoundError, _no_revision),
    (EntryNotFoundError, _no_file),
    (OfflineModeIsEnabled, _offline),
    (OIDCError, _no_token),
    (BusyError, _busy),
    (HfHubHTTPError, _status),
    (FileMetadataError, _no_hub),
    (httpx2.ProxyError, _unreachable),
    (SOCKSError, _unreachable),  # httpx2 lets it through
    (httpx2.TimeoutException, _timeout),
    (httpx2.ConnectError, _unreachable),
    (httpx2.LocalProtocolError, _unsendable),
    (httpx2.UnsupportedProtocol, _no_hub),  # after a redirect
    (httpx2.HTTPError, _cut_short),
    (httpx2.InvalidURL, _no_hub),
    (UnicodeEncodeError, _unsendable),
    (OSError, _system),
    # Raised by huggingface-hub while it reads an answer that does not have the form of a Hub's.
    (ValueError, _no_hub),
    (LookupError, _no_hub),
    (TypeError, _no_hub),
    (AttributeError, _no_hub),
    (RecursionError, _no_hub),
)
