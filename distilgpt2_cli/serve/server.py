"""The server: its address, its start and its end."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn

from ..engine.llama.model import Model
from ..errors import DistilError, UsageError
from ..signals import not_ignored
from .access import Access
from .app import make_app
from .connections import Acceptor, most_connections
from .service import Limits, Service

_ENDING = (signal.SIGINT, signal.SIGTERM)
_BACKLOG = 1024  # connections that wait in the system until they are accepted
_UNREAD_SECONDS = 30  # a client that acknowledges nothing for this long is disconnected
_CLOSE_SECONDS = 5  # for connections to close when the server ends


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and the key that clients need.

    Attributes:
        host: a name or an address of this machine.
        port: 0 for any free one.
        api_key: what clients must send, or None.
        origins: as in `Access`.
    """

    host: str
    port: int
    api_key: str | None
    origins: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def access(self) -> Access:
        """Which requests are allowed. With a key, a page of another site is shut out by it."""
        if self.api_key is not None or not self.is_loopback:
            return Access(self.api_key, None, self.origins)
        hosts = frozenset({"localhost", "127.0.0.1", "[::1]", _in_url(self.host)})
        return Access(None, hosts, self.origins)

    def listen(self) -> socket.socket:
        """Return a socket that listens on this address; connections to it wait until `serve`.

        Raises:
            UsageError: there is no such address here.
            DistilError: it is in use, or needs permissions.
        """
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except (socket.gaierror, UnicodeError):
            raise UsageError(
                f"{self.host} is not a known host name or address.",
                "Use one of this machine, such as 127.0.0.1.",
            ) from None
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Its connections inherit this: the kernel drops clients that read nothing.
            milliseconds = _UNREAD_SECONDS * 1000
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)  # until then, another process can bind the same port
        except OSError as error:
            listener.close()
            raise DistilError(
                f"Can't listen on {self.host} port {self.port}: {error.strerror}.",
                "Choose another --port or --host.",
            ) from None
        return listener


def serve(
    model: Model,
    name: str,
    created: int,
    limits: Limits,
    address: Address,
    listener: socket.socket,
    *,
    threads: int | None,
    say: Callable[[str], None],
) -> None:
    """Answer requests until a signal, and then the requests in progress.

    Args:
        model: what generates.
        name: the model's name for clients.
        created: the time of the model's file, in seconds since 1970.
        limits: what requests may ask for.
        address: where it listens.
        listener: what `Address.listen` returned.
        threads: for computing; None to tune them while running.
        say: called with the line that shows where it listens, and a line for every request.

    Raises:
        UsageError: ``limits.parallel`` can't be used.
        DistilError: llama.cpp can't make the context, or the process can't have connections.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
    asyncio.run(_serve(model, name, created, limits, address, listener, threads, say))


async def _serve(
    model: Model,
    name: str,
    created: int,
    limits: Limits,
    address: Address,
    listener: socket.socket,
    threads: int | None,
    say: Callable[[str], None],
) -> None:
    asyncio.get_running_loop().set_exception_handler(partial(_report, say))
    service = Service(model, limits, threads, name, created)
    acceptor = Acceptor(most_connections(), say)
    config = uvicorn.Config(
        make_app(service, address.access, say),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=acceptor.most + 1,  # uvicorn refuses from this number on
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )
    port = listener.getsockname()[1]
    url = f"http://{_in_url(address.host)}:{port}"

    def say_where() -> None:
        say(f"Serving {name}: OpenAI's API at {url}/v1, a page to write on at {url}/")
        say("Press Ctrl-C to stop.")
        say(f"Listening on {url}")

    server = _Server(config, acceptor, listener, say_where)
    with contextlib.closing(service.scheduler):
        service.start()
        ending = asyncio.ensure_future(_end_on(_end_of_service(), service, server, say))
        await server.serve()
        ending.cancel()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling, which accepts connections in our way."""

    def __init__(
        self,
        config: uvicorn.Config,
        acceptor: Acceptor,
        listener: socket.socket,
        on_start: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._acceptor = acceptor
        self._listener = listener
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        self.servers = []
        accepting = self._acceptor.run(self._listener, self.config, self.server_state)
        self._accepting = asyncio.ensure_future(accepting)
        self.started = True
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._accepting.cancel()
        self._listener.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _end_of_service() -> asyncio.Event:
    """Return what the first signal sets; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    received = asyncio.Event()

    def end() -> None:
        for number in handled:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        received.set()

    handled = not_ignored(_ENDING)
    for number in handled:
        loop.add_signal_handler(number, end)
    return received


async def _end_on(
    received: asyncio.Event, service: Service, server: _Server, say: Callable[[str], None]
) -> None:
    """Wait for a signal, and then for the requests in progress."""
    await received.wait()
    if service.open:
        say(
            f"Waiting for completions in progress ({service.open}). Press Ctrl-C again to stop now."
        )
    await service.end()
    server.should_exit = True


def _report(
    say: Callable[[str], None], _loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    """Report in a line what asyncio would log with a traceback."""
    error = context.get("exception")
    reason = f"{type(error).__name__}: {error}" if error else context["message"]
    say(f"Unexpected error in the server: {reason}.")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
