"""Clients that disconnect or do not read, and the end of the server."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.processes import wait_until
from tests.support.run import TIMEOUT, run
from tests.support.server import Server, serving

LONG = {"max_tokens": 2000, "ignore_eos": True, "stream": True}


def begun(server: Server, read: bool = True, **fields: object) -> socket.socket:
    """Ask for a completion, and return the connection when it is in progress."""
    connection = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
    body = json.dumps(LONG | fields).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    if read:
        assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_disconnects_frees_its_place_at_once(server: Server, stream: bool) -> None:
    disconnects = server.metric("distil_disconnects_total")
    connection = begun(server, read=stream, stream=stream, n=2)
    wait_until(lambda: server.metric("distil_running") == 2)
    connection.close()
    wait_until(lambda: server.metric("distil_running") == server.metric("distil_open") == 0)
    assert server.metric("distil_disconnects_total") == disconnects + 1
    wait_until(lambda: any('"POST /v1/completions" 499' in line for line in server.lines))


def test_a_client_that_does_not_read_delays_nobody(server: Server) -> None:
    connections = [begun(server, max_tokens=300) for _ in range(4)]  # all sequences there are
    assert server.complete(max_tokens=5, ignore_eos=True).status == 200
    for connection in connections:
        data = b""
        while not data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            part = connection.recv(2**16)
            assert part
            data += part
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_waits_for_requests_in_progress(env: dict[str, str], number: int) -> None:
    asked = {"prompt": "Once", "max_tokens": 1000, "ignore_eos": True}
    with (
        serving("--model", "demo", env=env) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        in_progress = pool.submit(server.complete, **asked)
        wait_until(lambda: server.metric("distil_running") == 1)
        server.process.send_signal(number)
        wait_until(lambda: server.get("/health").status == 503)
        refused = server.complete(max_tokens=1)
        assert (refused.status, refused.json["error"]["code"]) == (503, "shutting_down")
        answer = in_progress.result()
        assert answer.json["usage"]["completion_tokens"] == 1000
        assert server.process.wait(TIMEOUT) == 0
    assert "Traceback" not in "\n".join(server.lines)
    waiting = "Waiting for completions in progress (1). Press Ctrl-C again to stop now."
    assert waiting in server.lines


def test_a_second_signal_ends_at_once(env: dict[str, str]) -> None:
    with serving("--model", "demo", env=env) as server, begun(server):
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/health").status == 503)
        assert server.end(signal.SIGINT) == -signal.SIGINT
    assert "Traceback" not in "\n".join(server.lines)


def test_the_end_of_an_idle_server(env: dict[str, str]) -> None:
    with serving("--model", "demo", env=env) as server:
        assert server.end() == 0


def test_quiet(env: dict[str, str]) -> None:
    """There is nothing on standard error; a free port has to be found in another way."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        taken = free.getsockname()[1]
        free.listen()
        result = run("serve", "--model", "demo", "--quiet", "--port", str(taken), env=env)
    assert result.stderr.startswith(b"Error: Can't listen on 127.0.0.1 port ")
