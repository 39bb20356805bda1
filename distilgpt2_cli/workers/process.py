"""A worker: a process that computes chunks for the one that started it.

    python -m distilgpt2_cli.workers.process DESCRIPTOR

The descriptor is its end of a connection, on which it gets a task, and then items; see `main`. It
ends when the other end is closed, whatever it does then.
"""

import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, Literal

from ..engine.llama.aborts import report_aborts
from ..engine.llama.cores import stay_on
from ..failures import explained
from .tasks import Task

Items = tuple[list[Any], bool]
"""Items of a chunk, and whether they are its last ones: what a worker gets."""

Message = tuple[Literal["opened", "results", "done", "error"], Any]
"""What a worker sends: the placement of its model, results, the end of a chunk, or its own end."""

_PAUSE = 0.02  # seconds between two messages with results, so that many workers cost little


def main(descriptor: int) -> None:
    """Compute until the connection is closed.

    A first message is the task and the processors to stay on; all others are `Items`. For each
    chunk the results are sent, and then that it is done.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the process that has the terminal
    connection: Connection[Message, Any] = Connection(descriptor)
    sender = _Sender(connection)

    def fail(error: Exception) -> None:
        sender.send("error", _portable(error))

    try:
        task, processors = connection.recv()
        if processors:
            stay_on(processors)
        items: SimpleQueue[Items] = SimpleQueue()
        Thread(target=_listen, args=(connection, items), daemon=True).start()
        report_aborts(fail)
        try:
            _compute(task, items, sender)
        except OSError:
            raise
        except Exception as error:
            fail(error)
    except (EOFError, OSError):  # nobody is there any more
        pass
    finally:
        os._exit(0)  # at once: there is nothing to be saved


def _compute(task: Task[Any, Any], items: "SimpleQueue[Items]", sender: "_Sender") -> None:
    with task.open() as work:
        sender.send("opened", work.placement)
        Thread(target=sender.send_results, daemon=True).start()
        while True:
            for result in work.results(_chunk(items)):
                sender.add(result)
            sender.send("done", None)


class _Sender:
    """Sends results at once if they come slowly, and several together if they come quickly."""

    def __init__(self, connection: "Connection[Message, Any]") -> None:
        self._connection = connection
        self._lock = Lock()
        self._results: list[Any] = []
        self._any = Event()

    def add(self, result: Any) -> None:
        """Let `send_results` send a result."""
        self._results.append(result)
        self._any.set()

    def send(self, kind: Literal["opened", "done", "error"], value: Any) -> None:
        """Send a message after all results."""
        with self._lock:
            self._flush()
            self._put((kind, value))

    def send_results(self) -> None:
        """Send results until nobody takes them."""
        try:
            while True:
                self._any.wait()
                self._any.clear()
                with self._lock:
                    self._flush()
                time.sleep(_PAUSE)
        except OSError:
            os._exit(0)

    def _flush(self) -> None:
        if results := self._results:
            self._results = []
            self._put(("results", results))

    def _put(self, message: Message) -> None:
        self._connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def _listen(connection: "Connection[Message, Any]", items: "SimpleQueue[Items]") -> None:
    """Take what comes at once, so that the other side never waits; end the process at its end."""
    try:
        while True:
            items.put(connection.recv())
    finally:  # also if it can't be read: the other side must not wait for ever
        os._exit(0)


def _chunk(items: "SimpleQueue[Items]") -> Iterator[Any]:
    ended = False
    while not ended:
        some, ended = items.get()
        yield from some


def _portable(error: Exception) -> Exception:
    """Return the error, or one with the same message if it can't be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return explained(error)
    return error


if __name__ == "__main__":
    main(int(sys.argv[1]))
