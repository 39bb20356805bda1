"""Ctrl-C and SIGTERM: a run ends cleanly, and always soon."""

import _thread
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

TYPE_CHECKING = False  # as in typing, whose import takes longer than all of `distil --version`
if TYPE_CHECKING:
    from typing import NoReturn

_ENDING = (signal.SIGINT, signal.SIGTERM)
_GRACE_SECONDS = 0.1
_CLEANUP_SECONDS = 0.002
_IMPORT = "<frozen importlib._bootstrap>"  # whose function cb frees the lock of a module
_WEAKREF = f"{os.sep}weakref.py"  # finalizers

received = 0
"""The signal that ended the run; 0 while there was none."""

_results_pending = False


def install_handlers() -> None:
    """Let the signals raise KeyboardInterrupt in this thread, the main one, from now on.

    Python does that between two of its own steps only. Where a function of another language takes
    long, such as the look-up of a host name without a network, another thread ends the process.
    """
    for number in not_ignored(_ENDING):
        signal.signal(number, _end)
    with suppress(OSError, RuntimeError):  # too few files or threads: the command reports it
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        _thread.start_new_thread(_watch, (read_end,))
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)


def not_ignored(numbers: Iterable[signal.Signals]) -> list[signal.Signals]:
    """Return those that are not ignored, as they are under nohup or in the background."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


def restore_defaults() -> None:
    """Let the signals end the process at once, as they end any other."""
    for number in _ENDING:
        if signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def results_pending() -> Iterator[None]:
    """Let the main thread end the block, however long it takes, as results could be lost.

    Only a second signal ends the process at once.
    """
    global _results_pending
    _results_pending = True
    try:
        yield
    finally:
        _results_pending = False


def _end(number: int, frame: FrameType | None) -> None:
    """Raise the exception that ends the run cleanly; a further signal ends it at once."""
    global received
    if _is_in_cleanup(frame):
        with suppress(RuntimeError):  # the system gives no further thread
            _thread.start_new_thread(_send_again, (number,))
            return
    received = number
    restore_defaults()
    interrupts = sys.modules.get("distilgpt2_cli.engine.llama.interrupts")
    interrupt = getattr(interrupts, "interrupt", None)  # the module may be half imported
    if interrupt is None:
        raise KeyboardInterrupt
    interrupt(KeyboardInterrupt(), frame)


def _is_in_cleanup(frame: FrameType | None) -> bool:
    """Return whether Python would print an exception that is raised here, and go on."""
    while frame is not None:
        name, file = frame.f_code.co_name, frame.f_code.co_filename
        if name == "__del__" or (name, file) == ("cb", _IMPORT) or file.endswith(_WEAKREF):
            return True
        frame = frame.f_back
    return False


def _send_again(number: int) -> None:
    time.sleep(_CLEANUP_SECONDS)
    os.kill(os.getpid(), number)


def _watch(read_end: int) -> None:
    """End the process if a signal came and the main thread does not handle it in time."""
    number = os.read(read_end, 1)[0]
    time.sleep(_GRACE_SECONDS)
    if not received and _results_pending:
        number = os.read(read_end, 1)[0]  # a second signal is meant seriously
    if not received:
        end_at_once(128 + number)


def end_at_once(status: int) -> "NoReturn":
    """End the process without what an ordinary end waits for; no bar stays on the screen."""
    progress = sys.modules.get("distilgpt2_cli.terminal.progress")
    erase = getattr(progress, "erase_drawn", None)  # the module may be half imported
    if erase is not None:
        with suppress(OSError):
            erase()
    os._exit(status)
