"""Connections: how many there can be, and clients that close only their sending side."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ..errors import DistilError

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_MOST = 1024  # connections
_REFUSED = 4  # connections beyond those, whose requests get status 503
_OWN_DESCRIPTORS = 8  # for files that the process itself opens later
_PAUSE = 1.0  # seconds until the next attempt, where the system can't open a connection
_SILENCE = 60.0  # seconds between two reports that there is no room
_PROBE_SECONDS = 0.05
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def most_connections(listeners: int) -> int:
    """Return how many connections the process can have, and raise its limit of files for them.

    Args:
        listeners: sockets that accept connections; each may accept one while another one does.

    Raises:
        DistilError: there is no room for a single one.
    """
    beyond = _REFUSED + listeners - 1
    used = sum(1 for _ in Path("/dev/fd").iterdir()) + _OWN_DESCRIPTORS + beyond
    room = _raise_limit(used + _MOST) - used
    if room < 1:
        raise DistilError(
            "The limit of open files leaves no room for a connection.",
            "Raise it, for example with `ulimit -n 256`.",
        )
    return min(room, _MOST)


def _raise_limit(wanted: int) -> int:
    """Raise the soft limit of open files towards a number, and return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < possible:
        with contextlib.suppress(OSError, ValueError):  # the system may have a lower one yet
            resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
            return possible
    return wanted if soft == resource.RLIM_INFINITY else soft


class Acceptor:
    """Accepts connections as long as there is room for them; further ones wait in the system.

    asyncio's own servers accept until the system refuses, and then log a traceback for each try.
    """

    def __init__(self, most: int, say: Callable[[str], None]) -> None:
        """Allow so many connections, and a few that can be refused; report to ``say``."""
        self.most = most
        self._say = say
        self._has_room = asyncio.Event()
        self._silent_until = 0.0

    async def run(self, listener: socket.socket, config: "Config", state: "ServerState") -> None:
        """Accept until cancelled; there may be several listeners at the same time."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            self._has_room.clear()
            if len(state.connections) >= self.most + _REFUSED:
                self._report(len(state.connections))
                await self._has_room.wait()
            try:
                connection, _ = await loop.sock_accept(listener)
            except ConnectionError:  # the client has gone already
                continue
            except OSError:
                self._report(len(state.connections))
                await asyncio.sleep(_PAUSE)
                continue
            try:
                await loop.connect_accepted_socket(
                    lambda: _Protocol(config, state, {}, self._has_room.set), connection
                )
            except OSError:
                connection.close()

    def _report(self, count: int) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._silent_until:
            return
        self._silent_until = now + _SILENCE
        remedy = (
            "" if self.most == _MOST else " Raise the limit of open files (ulimit -n) for more."
        )
        self._say(f"{count} connections are open, as many as there can be. New ones wait.{remedy}")


class _Protocol(HttpToolsProtocol):
    """uvicorn's, which takes every client that closes its sending side for one that has gone."""

    def __init__(
        self,
        config: "Config",
        state: "ServerState",
        app_state: dict[str, Any],
        on_lost: Callable[[], None],
    ) -> None:
        super().__init__(config, state, app_state)
        self._on_lost = on_lost

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._on_lost()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return whether to keep the connection: a whole request is not answered yet."""
        cycle = self.cycle  # of the newest request
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        self.loop.call_later(_PROBE_SECONDS, self._probe, cycle, 2 * _PROBE_SECONDS)
        return True

    def _probe(self, cycle: RequestResponseCycle, seconds: float) -> None:
        """Find out whether the client has gone, as long as its response has not begun.

        Its system answers what it receives then with a reset, so that the next write fails. The
        only thing to write is an interim response, which HTTP/1.0 does not have.
        """
        if cycle.response_started or self.transport.is_closing():
            return
        if not self.pipeline and cycle.scope["http_version"] == "1.1":
            self.transport.write(_CONTINUE)
        self.loop.call_later(seconds, self._probe, cycle, 2 * seconds)
