"""The driver of Ray: a separate process, which Ray may end without harm.

    python -m distilgpt2_cli.cluster.driver DESCRIPTOR

Where Ray loses its cluster, it ends the process that has started a run, without a word; and its
messages go to the standard streams. The descriptor is this process's end of a connection, on which
it gets a `Request` and sends `Message` after `Message`. It ends when the other end is closed,
whatever it does then, and leaves no process or file of Ray.
"""

import ctypes
import os
import shutil
import signal
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock, Thread, Timer
from typing import Any, NoReturn

from ..child import started
from ..failures import explained
from ..files import private_folder
from .job import Message, Request

_TEMPORARY_CHARACTERS = 16  # Ray needs 80 more of the 104 that a socket's name may have
_PR_SET_CHILD_SUBREAPER = 36
_CONNECT_SECONDS = 45.0  # Ray ends the process after 60
_PAUSE = 0.01  # seconds
_END_SECONDS = 5.0  # for processes that start, or end, while they are ended


def messages(request: Request) -> Generator[Message, None, None]:
    """Yield the messages of a driver that runs meanwhile, up to the last one; close it to stop.

    The last one is an error, the end, or that Ray gave up, also where the process ended at once.

    Raises:
        OSError: no process can be started.
    """
    process, connection = started(__name__)
    try:
        with connection:
            with suppress(OSError):  # it has ended: that is seen when its messages are waited for
                connection.send(request)
            kind = ""
            while kind not in ("error", "lost", "end"):
                try:
                    message: Message = connection.recv()
                except (EOFError, OSError):
                    message = "lost", "the process that was connected to it has ended"
                kind = message[0]
                yield message
    finally:
        process.wait()


def main(descriptor: int) -> None:
    """Compute what is asked for, and end."""
    for number in (signal.SIGINT, signal.SIGHUP):  # for the process that has the terminal
        signal.signal(number, signal.SIG_IGN)
    connection: Connection[Message, Request] = Connection(descriptor)
    with ExitStack() as stack:
        end = _End()
        try:
            _adopt_orphans()
            request = connection.recv()
            if request.cluster.address is None:
                end.folder = stack.enter_context(private_folder(_temporary_place()))
            Thread(target=_wait_for_end, args=(connection, end), daemon=True).start()
            last = _computed(request, end.folder, connection)
        except Exception as error:
            last = "error", explained(error)
        with suppress(OSError):  # nobody may be there any more
            connection.send(last)
        end()


class _End:
    """Ends this process at once, and before that all of Ray on this machine alone.

    Attributes:
        folder: of Ray's sockets and logs; None if it is not on this machine alone.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._lock = Lock()

    def __call__(self) -> NoReturn:
        with self._lock:  # for ever: who waits for it ends, too
            try:
                # Ray ends this process, too, when it notices that another one has ended; and some
                # of its processes notice only after a minute.
                _signal_descendants(signal.SIGSTOP)
                if self.folder:
                    shutil.rmtree(self.folder, ignore_errors=True)
                deadline = time.monotonic() + _END_SECONDS
                while _signal_descendants(signal.SIGKILL) and time.monotonic() < deadline:
                    time.sleep(_PAUSE)
            finally:
                os._exit(0)


def _computed(
    request: Request, folder: Path | None, connection: "Connection[Message, Request]"
) -> Message:
    """Send what becomes of a run, and return the last message."""
    from .passes import Pass
    from .session import connected, no_answer

    address = request.cluster.address
    timer = Timer(_CONNECT_SECONDS, connection.send, [("error", no_answer(address))])
    timer.daemon = True
    try:
        if address:
            timer.start()
        with connected(request.cluster, folder):
            timer.cancel()
            return Pass(request, connection).last_message()
    except Exception as error:
        return "error", explained(error)


def _temporary_place() -> Path:
    """Return the folder for Ray's sockets and logs, with a name that is not too long."""
    from tempfile import gettempdir

    usual = gettempdir()
    return Path(usual if len(usual) <= _TEMPORARY_CHARACTERS else "/tmp")


def _wait_for_end(connection: "Connection[Any, Any]", end: _End) -> None:
    """End this process when the other one ends."""
    with suppress(EOFError, OSError):
        connection.recv()
    end()


def _adopt_orphans() -> None:
    """Become the parent of processes whose own has ended; see prctl(2)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _signal_descendants(number: signal.Signals) -> bool:
    """Send a signal to all processes that this one has started, and those that they have.

    Returns:
        Whether there were any.
    """
    if "ray" not in sys.modules:
        return False
    import ray  # noqa: F401 - it brings the next one
    import psutil  # isort: skip

    found = psutil.Process().children(recursive=True)
    for process in found:
        with suppress(psutil.Error):
            process.send_signal(number)
    psutil.wait_procs(found, timeout=0)  # those that have ended are no children any more
    return bool(found)


if __name__ == "__main__":
    main(int(sys.argv[1]))
