"""A Hub that is busy or slow: notices while it is, and another attempt after a pause."""

import re
import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import TypeVar

import httpx2
from huggingface_hub import get_session

from .callbacks import Notice
from .hub_errors import BusyError, endpoint

_RETRY_SECONDS = 20.0  # from the first answer of a busy Hub to the last attempt
_STALL_SECONDS = 3.0  # without data, until there is a notice

_BUSY = {408, 429, 500, 502, 503, 504}
_PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds, where the Hub does not say how long

# No requests are left for t seconds: draft-ietf-httpapi-ratelimit-headers-09, section 4.
_USED_UP = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*([0-9]{1,9})")

_T = TypeVar("_T")


def with_retries(request: Callable[[], _T], notice: Notice) -> _T:
    """Return the Hub's answer; while the Hub is busy, give a notice and try again.

    Raises:
        BusyError: it is busy for too long, or says that it will be.
    """
    _raise_when_busy()
    start = None
    for usual in (*_PAUSES, None):
        try:
            return request()
        except BusyError as error:
            busy = error
        now = time.monotonic()
        start = start or now
        pause = usual if busy.pause is None else busy.pause
        if usual is None or pause is None or now - start + pause > _RETRY_SECONDS:
            break
        notice(f"{endpoint()} is busy or slow; trying again in {pause:.0f} s.")
        time.sleep(pause)
    raise busy


def _raise_when_busy() -> None:
    """Raise `BusyError` from now on where huggingface-hub would wait, long and without a notice."""
    hooks = get_session().event_hooks["response"]
    if _raise_if_busy not in hooks:
        hooks.append(_raise_if_busy)


def _raise_if_busy(response: httpx2.Response) -> None:
    if response.status_code in _BUSY:
        raise BusyError(response.status_code, _requested_pause(response.headers))


def _requested_pause(headers: httpx2.Headers) -> float | None:
    """Return how many seconds to wait before the next request, if the Hub says so."""
    used_up = _USED_UP.search(headers.get("RateLimit", ""))
    seconds = used_up[1] if used_up else headers.get("Retry-After", "")
    return float(seconds) if re.fullmatch("[0-9]{1,9}", seconds) else None


class StallWatch:
    """Gives a notice within its block whenever no data has come for `_STALL_SECONDS`."""

    def __init__(self, notice: Notice) -> None:
        """Give notices with this function."""
        self._notice = notice
        self._received = Event()
        self._ended = False
        self._thread = Thread(target=self._watch, daemon=True)

    def data_received(self) -> None:
        """Take note that the transfer goes on."""
        self._received.set()

    def _watch(self) -> None:
        stalled = False
        while not self._ended:
            received = self._received.wait(_STALL_SECONDS)
            self._received.clear()
            if not received and not stalled:
                self._notice(f"No data from {endpoint()}; waiting, will retry.")
            stalled = not received

    def __enter__(self) -> "StallWatch":
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching."""
        self._ended = True
        self._received.set()
        self._thread.join()
