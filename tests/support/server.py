"""``distil serve`` as a process, and plain requests to it."""

import http.client
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.run import DISTIL, TIMEOUT

JSON = {"Content-Type": "application/json"}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The records of a stream that has ended with [DONE]."""
        *events, end, rest = self.body.decode().split("\n\n")
        assert (end, rest) == ("data: [DONE]", "")
        return [json.loads(event.removeprefix("data: ")) for event in events]


@dataclass
class Server:
    """A server under test; ``lines`` are what it has said so far."""

    process: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = JSON
    ) -> Answer:
        connection = self.connect()
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def complete(self, **fields: Any) -> Answer:
        return self.request("POST", "/v1/completions", json.dumps(fields).encode())

    def metric(self, name: str) -> float:
        (line,) = re.findall(rf"^{name} (.*)$", self.get("/metrics").body.decode(), re.MULTILINE)
        return float(line)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)


@contextmanager
def serving(
    *arguments: str, env: Mapping[str, str], launcher: tuple[str, ...] = ()
) -> Iterator[Server]:
    """Start a server on a free port, wait until it listens, and end it after the block."""
    with subprocess.Popen(
        [*launcher, *DISTIL, "serve", "--port", "0", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        server = Server(process)
        listening = threading.Event()

        def read() -> None:
            assert process.stderr
            for line in process.stderr:
                server.lines.append(line.decode().rstrip("\n"))
                if match := re.match(rb"Listening on http://.*:(\d+)$", line.rstrip()):
                    server.port = int(match[1])
                    listening.set()
            listening.set()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            assert listening.wait(TIMEOUT)
            assert server.port, server.lines
            yield server
        finally:
            process.kill()
            reader.join()


def resident_bytes(server: Server) -> int:
    """Return the resident memory of the server's process."""
    with open(f"/proc/{server.process.pid}/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
