"""A proxy on the loopback interface that lets nobody through."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def refusing_proxy(status: int, *, retries: int = 0) -> Iterator[str]:
    """Run a proxy that answers everything with a status, and give its address.

    So many answers, the first ones, ask for another request at once.
    """
    left = iter(range(retries))

    class Handler(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if next(left, None) is not None:
                self.send_header("Retry-After", "0")
            self.end_headers()

        do_GET = do_HEAD = do_CONNECT = _refuse  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
