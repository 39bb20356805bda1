"""What a run has done: for people while it runs, for Prometheus, and for its end."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from ..serve.listening import in_url, listeners
from ..serve.prometheus import MEDIA_TYPE, single
from .job import Counts, Done

_PATH = "/metrics"
_POLL_SECONDS = 0.1  # until a server notices that it is to end
_PREFIX = "distil_map_"


@dataclass
class Totals:
    """Counts of a run, in which another thread may look at any moment.

    Attributes:
        size: bytes of all inputs.
        read: bytes of the inputs that the parts so far are made of.
        parts: that are committed.
        counts: of them all.
        earlier_rows: rows that an earlier run had done.
        begin: when the run began, by `time.monotonic`.
    """

    size: int
    read: int = 0
    parts: int = 0
    counts: Counts = field(default_factory=Counts)
    earlier_rows: int = 0
    begin: float = field(default_factory=time.monotonic)

    def add(self, done: Done) -> None:
        """Count a part."""
        self.read += done.size
        self.parts += 1
        self.counts += done
        self.earlier_rows += done.rows if done.again else 0

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self.begin

    @property
    def rows_per_second(self) -> float:
        """How fast rows are done, without those of an earlier run."""
        return (self.counts.rows - self.earlier_rows) / max(self.seconds, 1e-9)

    @property
    def summary(self) -> dict[str, int]:
        """What stands in the folder of a run that is complete: nothing that differs by chance."""
        return {"parts": self.parts} | self.counts.by_name

    def metrics(self) -> str:
        """Return all counts in the text format of Prometheus."""
        counts = self.counts
        lines = [
            line
            for name, kind, meaning, value in (
                ("rows_total", "counter", "Rows that are done.", counts.rows),
                ("results_total", "counter", "Rows of the output.", counts.results),
                ("failures_total", "counter", "Rows that have no result.", counts.failures),
                ("tokens_total", "counter", "Tokens evaluated and generated.", counts.tokens),
                ("parts_total", "counter", "Parts of the output that are done.", self.parts),
                ("earlier_rows", "gauge", "Rows that an earlier run had done.", self.earlier_rows),
                ("read_bytes", "gauge", "Bytes of the input that are done.", self.read),
                ("input_bytes", "gauge", "Bytes of the input.", self.size),
                ("seconds", "gauge", "Seconds since the run began.", self.seconds),
            )
            for line in single(_PREFIX + name, kind, meaning, value)
        ]
        return "\n".join(lines) + "\n"


@contextmanager
def metrics_served(totals: Totals, host: str, port: int, remedy: str) -> Iterator[str]:
    """Answer ``GET /metrics`` over HTTP until the block ends, and give the URL.

    Args:
        totals: what is shown.
        host: a name or an address of this machine.
        port: 0 for any free one.
        remedy: what to do where that can't be, as a sentence.

    Raises:
        UsageError: there is no such host.
        DistilError: the port is in use, or needs permissions.
    """
    sockets = listeners(host, port, remedy)
    with ExitStack() as stack:
        for listener in sockets:
            server = stack.enter_context(_Server(listener, totals))
            Thread(target=server.serve_forever, args=[_POLL_SECONDS], daemon=True).start()
            stack.callback(server.shutdown)
        yield f"http://{in_url(host)}:{sockets[0].getsockname()[1]}{_PATH}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: Any, totals: Totals) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.totals = totals

    def handle_error(self, *_request: Any) -> None:
        """Say nothing: a client that goes away is no concern of the run."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds, for a client that says nothing

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != _PATH:
            self.send_error(404)
            return
        body = self.server.totals.metrics().encode()
        self.send_response(200)
        self.send_header("Content-Type", MEDIA_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_message: Any) -> None:
        """Say nothing: standard error is for the run."""
