"""The page behind a proxy that puts a prefix before the server's paths, as nginx can."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Page

from tests.web.browser import Writer

PREFIX = "/distil/"


@contextmanager
def prefixing_proxy(target: str) -> Iterator[str]:
    """Serve what a server has, below a prefix only, and give the address of its page."""

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            if not self.path.startswith(PREFIX):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            kept = {name: self.headers[name] for name in ("Content-Type",) if name in self.headers}
            request = urllib.request.Request(
                f"{target}/{self.path.removeprefix(PREFIX)}", body, kept
            )
            with urllib.request.urlopen(request) as answer:
                data = answer.read()
                self.send_response(answer.status)
                for name in ("Content-Type", "Content-Security-Policy"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _pass_on  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.daemon_threads = True
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}{PREFIX}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


def test_the_page_behind_a_prefix(page: Page, server: str) -> None:
    with prefixing_proxy(server) as address:
        writer = Writer(page)
        writer.open(address)
        writer.write("Once upon a time")
        assert all(writer.suggest())
        assert writer.complaints.messages == []
