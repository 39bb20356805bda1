"""Ctrl-C and SIGTERM: a run ends in order, and soon in any case."""

import _thread
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_SECONDS = 0.1

received = 0
"""The signal that the run was asked to end by."""

_wait_for_order = False


def heed() -> None:
    """Let the signals raise KeyboardInterrupt in this thread, the main one, from now on.

    Python does that between two of its own steps only. Where a function of another language takes
    long, such as the search for a name on a network that is down, another thread ends the process.
    """
    for number in not_ignored(_ENDING):
        signal.signal(number, _end)
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    _thread.start_new_thread(_watch, (told,))


def not_ignored(numbers: Iterable[signal.Signals]) -> list[signal.Signals]:
    """Return those that are not ignored, as they are under nohup or in the background."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


def let_them_kill() -> None:
    """Let the signals end the process as they end any other."""
    for number in _ENDING:
        if signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def heeded_in_order_only() -> Iterator[None]:
    """Wait for the main thread, however long it takes, while there are results to be lost.

    Only a second signal does not wait.
    """
    global _wait_for_order
    _wait_for_order = True
    try:
        yield
    finally:
        _wait_for_order = False


def _end(number: int, frame: FrameType | None) -> None:
    """Raise what ends the run in order; any further signal ends it at once."""
    global received
    received = number
    let_them_kill()
    interrupts = sys.modules.get("distilgpt2_cli.engine.llama.interrupts")
    interrupt = getattr(interrupts, "interrupt", None)  # the module may be half imported
    if interrupt is None:
        raise KeyboardInterrupt
    interrupt(KeyboardInterrupt(), frame)


def _watch(told: int) -> None:
    number = os.read(told, 1)[0]
    time.sleep(_PATIENCE_SECONDS)
    if not received and _wait_for_order:
        number = os.read(told, 1)[0]  # whoever asks again means it
    if not received:
        os._exit(128 + number)
