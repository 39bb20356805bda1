"""The server: its start and its end."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import uvicorn

from ..engine.llama.model import Model
from ..signals import not_ignored
from .address import Address
from .app import make_app
from .connections import Acceptor, most_connections
from .listening import in_url
from .service import Limits, Service

_ENDING = (signal.SIGINT, signal.SIGTERM)
_CLOSE_SECONDS = 5  # for connections to close when the server ends


def serve(
    model: Model,
    names: Sequence[str],
    created: int,
    limits: Limits,
    address: Address,
    listeners: Sequence[socket.socket],
    *,
    threads: int | None,
    say: Callable[[str], None],
) -> None:
    """Answer requests until a signal, and then the requests in progress.

    Args:
        model: what generates.
        names: the model's names for clients, the first one its own.
        created: the time of the model's file, in seconds since 1970.
        limits: what requests may ask for.
        address: where it listens.
        listeners: what `Address.listen` gave.
        threads: for computing; None to tune them while running.
        say: called with the line that shows where it listens, and a line for every request.

    Raises:
        UsageError: ``limits.parallel`` can't be used.
        DistilError: llama.cpp can't make the context, or the process can't have connections.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
    asyncio.run(_serve(model, names, created, limits, address, listeners, threads, say))


async def _serve(
    model: Model,
    names: Sequence[str],
    created: int,
    limits: Limits,
    address: Address,
    listeners: Sequence[socket.socket],
    threads: int | None,
    say: Callable[[str], None],
) -> None:
    asyncio.get_running_loop().set_exception_handler(partial(_report, say))
    service = Service(model, limits, threads, names, created)
    acceptor = Acceptor(most_connections(len(listeners)), say)
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
    port = listeners[0].getsockname()[1]
    url = f"http://{in_url(address.host)}:{port}"

    def say_where() -> None:
        say(f"Serving {service.name}: OpenAI's API at {url}/v1, a page to write on at {url}/")
        say("Press Ctrl-C to stop.")
        say(f"Listening on {url}")

    server = _Server(config, acceptor, listeners, say_where)
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
        listeners: Sequence[socket.socket],
        on_start: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._acceptor = acceptor
        self._listeners = listeners
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        self.servers = []
        self._accepting = asyncio.gather(
            *(
                self._acceptor.run(listener, self.config, self.server_state)
                for listener in self._listeners
            )
        )
        self.started = True
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._accepting.cancel()
        for listener in self._listeners:
            listener.close()
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
