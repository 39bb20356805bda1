"""A Hub that is busy: asked again after a pause, but not for ever."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

import httpx2
from huggingface_hub import get_session

from .callbacks import Notice
from .hub_errors import BusyError, endpoint

BUSY = {408, 429, 500, 502, 503, 504}
PATIENCE_SECONDS = 20.0
"""From the first answer of a Hub that is busy to the last time that it is asked."""

_PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds, where the Hub does not say how long

# Nothing remains for t seconds: draft-ietf-httpapi-ratelimit-headers-09, section 4.
_USED_UP = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*([0-9]{1,9})")

_T = TypeVar("_T")


def patiently(ask: Callable[[], _T], notice: Notice) -> _T:
    """Return what the Hub answers, asked again with a notice while it is busy.

    Raises:
        BusyError: it is busy for too long, or says that it will be.
    """
    _tell_when_busy()
    start = None
    for usual in (*_PAUSES, None):
        try:
            return ask()
        except BusyError as error:
            busy = error
        now = time.monotonic()
        start = start or now
        pause = usual if busy.pause is None else busy.pause
        if usual is None or pause is None or now - start + pause > PATIENCE_SECONDS:
            break
        notice(f"{endpoint()} is busy or slow; asking again in {pause:.0f} s.")
        time.sleep(pause)
    raise busy


def _tell_when_busy() -> None:
    """Raise `BusyError` from now on where huggingface-hub would wait, long and without a word."""
    hooks = get_session().event_hooks["response"]
    if _raise_if_busy not in hooks:
        hooks.append(_raise_if_busy)


def _raise_if_busy(response: httpx2.Response) -> None:
    if response.status_code in BUSY:
        raise BusyError(response.status_code, _pause(response.headers))


def _pause(headers: httpx2.Headers) -> float | None:
    """Return the seconds that the Hub wants to be left alone, if it says so."""
    used_up = _USED_UP.search(headers.get("RateLimit", ""))
    told = used_up[1] if used_up else headers.get("Retry-After", "")
    return float(told) if re.fullmatch("[0-9]{1,9}", told) else None
