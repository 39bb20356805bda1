"""Clients that disconnect or do not read, and the end of the server."""

import json
import os
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from resource import RLIMIT_NOFILE, prlimit

import pytest

from distilgpt2_cli.models import demo
from tests.support.extent import cases
from tests.support.processes import wait_until
from tests.support.run import DISTIL, TIMEOUT, run, started
from tests.support.server import Server, serving

LONG = {"max_tokens": 2000, "ignore_eos": True, "stream": True}
FEW = ("sh", "-c", 'ulimit -n 40; exec "$@"', "sh")  # file descriptors


def request_bytes(fields: dict[str, object], version: str = "1.1") -> bytes:
    body = json.dumps(fields).encode()
    head = (
        f"POST /v1/completions HTTP/{version}\r\nHost: localhost\r\n"
        f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
    )
    return head.encode() + body


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), TIMEOUT)


def begun(server: Server, read: bool = True, **fields: object) -> socket.socket:
    """Ask for a completion, and return the connection when it is in progress."""
    connection = connect(server.port)
    connection.sendall(request_bytes(LONG | fields))
    if read:
        assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_disconnects_frees_its_place_at_once(server: Server, stream: bool) -> None:
    disconnects, said = server.metric("distil_disconnects_total"), len(server.lines)
    connection = begun(server, read=stream, stream=stream, n=2)
    wait_until(lambda: server.metric("distil_running") == 2)
    connection.close()
    wait_until(lambda: server.metric("distil_running") == server.metric("distil_open") == 0)
    assert server.metric("distil_disconnects_total") == disconnects + 1
    wait_until(lambda: any('"POST /v1/completions" 499' in line for line in server.lines[said:]))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_closes_its_sending_side_is_answered(
    server: Server, stream: bool, version: str
) -> None:
    fields = {"prompt": "Once", "max_tokens": 100, "ignore_eos": True, "stream": stream, "seed": 3}
    with connect(server.port) as connection:
        connection.sendall(request_bytes(fields, version))
        connection.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: connection.recv(2**16), b""))
    while data.startswith(b"HTTP/1.1 100 "):  # a client skips these (RFC 9110, section 15.2)
        data = data.partition(b"\r\n\r\n")[2]
    assert data.startswith(b"HTTP/1.1 200")
    assert (b"[DONE]" if stream else b'"completion_tokens":100') in data


def test_requests_one_after_another_before_the_end(server: Server) -> None:
    with connect(server.port) as connection:
        asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(request_bytes({"max_tokens": 200, "ignore_eos": True}) + 2 * asked)
        connection.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: connection.recv(2**16), b""))
    assert (data.count(b"HTTP/1.1 200"), data.count(b'{"status":"ok"}')) == (3, 2)


def test_half_a_request_is_no_request(server: Server) -> None:
    with connect(server.port) as connection:
        connection.sendall(request_bytes({"max_tokens": 5})[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""


def test_without_enough_file_descriptors(env: dict[str, str], tiny: Path) -> None:
    with (
        serving(env={**env, "DISTIL_MODEL": str(tiny)}, launcher=FEW) as server,
        ExitStack() as stack,
    ):
        for _ in range(60):
            stack.enter_context(connect(server.port))
        wait_until(lambda: any("connections are open" in line for line in server.lines))
        stack.close()
        assert server.get("/health").status == 200
        assert server.get("/").status == 200
        text = "\n".join(server.lines)
        assert text.count("connections are open") == 1
        assert "(ulimit -n)" in text
        assert "Traceback" not in text


def test_one_connection_too_many_is_refused(env: dict[str, str], tiny: Path) -> None:
    with serving(env={**env, "DISTIL_MODEL": str(tiny)}, launcher=FEW) as server:
        with ExitStack() as stack:
            statuses: list[int] = []
            while 503 not in statuses:
                statuses.append(server.get("/health").status)
                stack.enter_context(connect(server.port))
        assert 5 < statuses.count(200) < 40
        wait_until(lambda: server.get("/health").status == 200)


def test_the_limit_of_file_descriptors_is_raised(env: dict[str, str]) -> None:
    soft = ("sh", "-c", 'ulimit -S -n 40; exec "$@"', "sh")
    with serving("--model", "demo", env=env, launcher=soft) as server, ExitStack() as stack:
        assert prlimit(server.process.pid, RLIMIT_NOFILE)[0] > 1024
        for _ in range(100):
            stack.enter_context(connect(server.port))
        assert server.get("/health").status == 200


def test_quiet_without_enough_file_descriptors(env: dict[str, str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("serve", "--model", "demo", "--quiet", "--port", str(port))
    with started(*arguments, env=env, launcher=FEW) as process:

        def answers() -> bool:
            try:
                with connect(port) as connection:
                    connection.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                    return b'"ok"' in connection.recv(1000) + connection.recv(1000)
            except OSError:
                return False

        wait_until(answers)
        with ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(connect(port))
        wait_until(answers)
        process.terminate()
        assert process.communicate(timeout=TIMEOUT) == (b"", b"")


def test_two_servers_that_start_on_one_port_at_once(env: dict[str, str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [*DISTIL, "serve", "--model", "demo", "--port", port]
    both = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(2)]
    try:
        wait_until(lambda: any(process.poll() is not None for process in both))
        ended, other = sorted(both, key=lambda process: process.poll() is None)
        _, said = ended.communicate(timeout=TIMEOUT)
        assert ended.returncode == 1
        assert f"Can't listen on 127.0.0.1 port {port}: Address already in use.".encode() in said
        assert other.stderr
        assert other.stderr.readline() == b"Loading demo.\n"
        url = f"http://127.0.0.1:{port}"
        assert [other.stderr.readline().decode() for _ in range(3)] == [
            f"Serving demo: OpenAI's API at {url}/v1, a page to write on at {url}/\n",
            "Press Ctrl-C to stop.\n",
            f"Listening on {url}\n",
        ]
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_a_name_that_is_not_utf8(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xe9")
    folder.mkdir()
    path = folder / os.fsdecode(b"m\xff.gguf")
    shutil.copy(demo().path, path)
    with serving("--model", str(path), env=env) as server:
        (model,) = server.get("/v1/models").json["data"]
        assert model["id"] == "m\ufffd"
        assert server.get("/v1/models/m%EF%BF%BD").status == 200
        assert server.get("/v1/models/m%FF").status == 200
        answer = server.complete(model="m\ufffd", max_tokens=2, stream=True, ignore_eos=True)
        assert answer.events[0]["model"] == "m\ufffd"
        assert server.complete(model="m\ufffd", max_tokens=2).status == 200


def test_a_client_that_does_not_read_delays_nobody(server: Server) -> None:
    connections = [begun(server, max_tokens=150) for _ in range(4)]  # all sequences there are
    assert server.complete(max_tokens=5, ignore_eos=True).status == 200
    for connection in connections:
        data = b""
        while not data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            part = connection.recv(2**16)
            assert part
            data += part
        connection.close()


@pytest.mark.parametrize("number", cases([signal.SIGINT], [signal.SIGTERM]))
def test_the_end_waits_for_requests_in_progress(env: dict[str, str], number: int) -> None:
    asked = {"prompt": "Once", "max_tokens": 500, "ignore_eos": True}
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
        assert answer.json["usage"]["completion_tokens"] == 500
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
