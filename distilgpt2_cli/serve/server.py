"""The server: its address, its start and its end."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn

from ..engine.llama.model import Model
from ..errors import DistilError, UsageError
from ..signals import not_ignored
from .access import Access
from .app import make_app
from .service import Limits, Service

_ENDING = (signal.SIGINT, signal.SIGTERM)
_MAX_CONNECTIONS = 1024
_UNREAD_SECONDS = 30  # a client that acknowledges nothing for this long is disconnected
_CLOSE_SECONDS = 5  # for connections to close when the server ends


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and the key that clients need.

    Attributes:
        host: a name or an address of this machine.
        port: 0 for any free one.
        api_key: what clients must send, or None.
    """

    host: str
    port: int
    api_key: str | None

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
            return Access(self.api_key, None)
        return Access(None, frozenset({"localhost", "127.0.0.1", "[::1]", _in_url(self.host)}))

    def listen(self) -> socket.socket:
        """Return a socket that is bound to this address.

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
        address: where to listen.
        threads: for computing; None to tune them while running.
        say: called with the line that shows where it listens, and a line for every request.

    Raises:
        UsageError: the address, or ``limits.parallel``, can't be used.
        DistilError: the address is in use, or llama.cpp can't make the context.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
    with contextlib.closing(address.listen()) as listener:
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
    service = Service(model, limits, threads, name, created)
    config = uvicorn.Config(
        make_app(service, address.access, say),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )
    port = listener.getsockname()[1]
    server = _Server(config, lambda: say(f"Listening on http://{_in_url(address.host)}:{port}"))
    with contextlib.closing(service.scheduler):
        service.start()
        ending = asyncio.ensure_future(_end_on_signal(service, server, say))
        await server.serve([listener])
        ending.cancel()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling, which reports when it listens."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _end_on_signal(service: Service, server: _Server, say: Callable[[str], None]) -> None:
    """Wait for a signal, and then for the requests in progress; another signal ends at once."""
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
    await received.wait()
    if service.open:
        say(
            f"Waiting for completions in progress ({service.open}). Press Ctrl-C again to stop now."
        )
    await service.end()
    server.should_exit = True


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
