"""A server from its socket to its end."""

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
from .app import make_app
from .gate import Access
from .service import Limits, Service

_ENDING = (signal.SIGINT, signal.SIGTERM)
_MOST_CONNECTIONS = 1024
_UNREAD_SECONDS = 30  # a client that acknowledges nothing for so long is gone
_LAST_SECONDS = 5  # for connections to close when the server ends


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and who may come in.

    Attributes:
        host: a name or an address of this machine.
        port: 0 for any that is free.
        api_key: what clients must present, or None.
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
        """Who may come in. A page of another site can't know the key."""
        if self.api_key is not None or not self.is_loopback:
            return Access(self.api_key, None)
        return Access(None, frozenset({"localhost", "127.0.0.1", "[::1]", _in_url(self.host)}))

    def listen(self) -> socket.socket:
        """Return a socket that is bound to it.

        Raises:
            UsageError: there is no such address here.
            DistilError: it is in use, or not for everybody.
        """
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except (socket.gaierror, UnicodeError):
            raise UsageError(
                f"{self.host} is no name or address.", "Use one of this machine, such as 127.0.0.1."
            ) from None
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # The connections inherit it: the kernel drops readers that take nothing.
            milliseconds = _UNREAD_SECONDS * 1000
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        try:
            listener.bind(address)
        except OSError as error:
            listener.close()
            raise DistilError(
                f"{self.host} port {self.port} can't be listened on: {error.strerror}.",
                "Use another --port, or 0 for any that is free.",
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
    """Answer requests until a signal asks for the end, and all before it are answered.

    Args:
        model: what answers.
        name: of the model, for clients.
        created: of the model's file, in seconds since 1970.
        limits: what is taken.
        address: where to listen.
        threads: by default found out while generating.
        say: is given the line that tells where it listens, and a line for every request.

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
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )
    port = listener.getsockname()[1]
    server = _Server(config, lambda: say(f"Listening on http://{_in_url(address.host)}:{port}"))
    with contextlib.closing(service.scheduler):
        service.start()
        ending = asyncio.ensure_future(_end_on_signal(service, server, say))
        await server.serve([listener])
        ending.cancel()


class _Server(uvicorn.Server):
    """uvicorn's server, with signals of our own."""

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
    """Wait for a signal, and then for the requests under way; another signal kills."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def end() -> None:
        for number in heeded:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        asked.set()

    # Ignored ones stay so, as under nohup or in the background.
    heeded = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, end)
    await asked.wait()
    if service.open:
        say(f"Ending after {service.open} completions under way; once more ends at once.")
    await service.end()
    server.should_exit = True


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
