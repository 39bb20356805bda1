"""The rest of a file that has arrived in part: requests for a range (RFC 9110, section 14)."""

import time
from collections.abc import Callable

import httpx2
from huggingface_hub import constants, get_session, get_token, hf_raise_for_status

from .. import __version__
from .parts import Part

_ATTEMPTS = 5  # without a byte in between, as in huggingface-hub
_PAUSE_SECONDS = 1.0
_BROKEN = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)


def receive(url: str, size: int, part: Part, changed: Callable[[], None]) -> None:
    """Append to a part what it lacks; a connection that breaks is taken up again.

    Args:
        url: of the file, at a commit.
        size: of the file, in bytes.
        part: what has arrived. It is cleared if the server sends no ranges.
        changed: called when an answer has come, and whenever the size of the part has changed.

    Raises:
        httpx2.HTTPError: the rest does not come.
        OSError: it can't be written.
    """
    failures = 0
    while part.size < size:
        before = part.size
        try:
            _receive_once(url, size, part, changed)
        except _BROKEN:
            failures = 0 if part.size > before else failures + 1
            if failures > _ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS)


def _receive_once(url: str, size: int, part: Part, changed: Callable[[], None]) -> None:
    headers = {"User-Agent": f"distil/{__version__}", "Accept-Encoding": "identity"}
    if not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN and (token := get_token()):
        headers["Authorization"] = f"Bearer {token}"
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
    limit = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream("GET", url, headers=headers, timeout=limit) as response:
        if part.size and not _is_the_rest(response, part.size):
            part.clear()
            if response.status_code != httpx2.codes.OK:
                return
        hf_raise_for_status(response)
        changed()
        for chunk in response.iter_bytes():
            part.append(chunk[: size - part.size])
            changed()
            if part.size == size:
                return
    raise httpx2.RemoteProtocolError("The body ended early.")


def _is_the_rest(response: httpx2.Response, start: int) -> bool:
    """Return whether a response has the bytes from a position on, or is an error of its own."""
    if response.status_code == httpx2.codes.PARTIAL_CONTENT:
        return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    return response.status_code not in (
        httpx2.codes.OK,
        httpx2.codes.REQUESTED_RANGE_NOT_SATISFIABLE,
    )
