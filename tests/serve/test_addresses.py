"""Where the server listens, and requests that do not name it."""

import socket

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support import names
from tests.support.quick_model import env as env
from tests.support.run import TIMEOUT, run
from tests.support.server import Server, serving

BOTH = ("127.0.0.1 localhost", "::1 localhost")
needs_names = pytest.mark.skipif(
    not names.is_possible(names.WITHOUT_IPV6, *BOTH), reason="only root can change host names"
)


def status_without_host(server: Server, head: str) -> int:
    """Return the status of a request that has no Host header."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as connection:
        connection.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
        data = b"".join(iter(lambda: connection.recv(2**16), b""))
    return int(data.split(b" ", 2)[1])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_health_check_needs_no_host(server: Server, method: str, version: str) -> None:
    assert status_without_host(server, f"{method} /health HTTP/{version}") == 200


@pytest.mark.parametrize("path", ["/", "/v1/models", "/metrics", "/healthy", "/v1/completions"])
def test_everything_else_needs_a_host(server: Server, path: str) -> None:
    assert status_without_host(server, f"GET {path} HTTP/1.0") == 403


def test_a_health_check_from_another_site_is_refused(server: Server) -> None:
    for host in ("evil.example", ""):
        assert status_without_host(server, f"GET /health HTTP/1.1\r\nHost: {host}") == 403


@needs_names
@pytest.mark.parametrize(
    ("lines", "host", "options"),
    [
        (BOTH, "localhost", ()),
        (("0.0.0.0 everywhere", ":: everywhere"), "everywhere", ("--no-auth",)),
    ],
)
def test_every_address_of_a_host_name_has_the_same_port(
    env: dict[str, str], lines: tuple[str, ...], host: str, options: tuple[str, ...]
) -> None:
    arguments = ("--host", host, *options)
    with serving(*arguments, env=env, launcher=names.launcher(*lines)) as server:
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, server.port), TIMEOUT) as connection:
                connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 200"
        assert f"Listening on http://{host}:{server.port}" in server.lines
        assert server.end() == 0


@needs_names
def test_a_family_that_this_machine_does_not_have_is_left_out(env: dict[str, str]) -> None:
    launcher = names.launcher(names.WITHOUT_IPV6, *BOTH)
    arguments = ("--host", "localhost")
    with serving(*arguments, env=env, launcher=launcher) as server:
        assert server.end() == 0
    result = run("serve", "--host", "::1", env=env, launcher=launcher)
    assert result.returncode == ExitStatus.FAILED
    assert b"Can't listen on ::1 port 8000: Cannot assign requested address." in result.stderr


@needs_names
def test_an_address_of_another_machine_is_an_error(env: dict[str, str]) -> None:
    lines = ("127.0.0.1 both.example", "192.0.2.1 both.example")
    arguments = ("serve", "--host", "both.example", "--no-auth", "--port", "0")
    result = run(*arguments, env=env, launcher=names.launcher(*lines))
    assert result.returncode == ExitStatus.FAILED
    assert (
        b"Can't listen on both.example (192.0.2.1) port 0: Cannot assign requested address."
        in result.stderr
    )


@needs_names
def test_a_port_that_is_in_use_on_one_address(env: dict[str, str]) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        arguments = ("serve", "--host", "localhost", "--port", port)
        result = run(*arguments, env=env, launcher=names.launcher(*BOTH))
    assert result.returncode == ExitStatus.FAILED
    assert (
        f"Can't listen on localhost (::1) port {port}: Address already in use.".encode()
        in result.stderr
    )
