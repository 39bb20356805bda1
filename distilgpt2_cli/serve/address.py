"""Where the server listens, and who may use it: a socket for each address of its host name."""

import errno
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import DistilError, UsageError
from .access import Access

_BACKLOG = 1024  # connections that wait in the system until they are accepted
_UNREAD_SECONDS = 30  # a client that acknowledges nothing for this long is disconnected
_PORT_ATTEMPTS = 20  # a port that is free on one address may be taken on another
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class _Place(NamedTuple):
    """A family and one of its addresses, as `socket.getaddrinfo` gives them."""

    family: socket.AddressFamily
    address: tuple[Any, ...]

    def with_port(self, port: int) -> "_Place":
        host, _, *others = self.address
        return _Place(self.family, (host, port, *others))


class _RefusedError(Exception):
    """The system does not let this process listen at a place."""

    def __init__(self, place: _Place, reason: OSError) -> None:
        self.place = place
        self.reason = reason


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
        hosts = frozenset({"localhost", "127.0.0.1", "[::1]", in_url(self.host)})
        return Access(None, hosts, self.origins)

    @contextmanager
    def listen(self) -> Iterator[Sequence[socket.socket]]:
        """Listen on every address of the host until the block ends, and on the same port of each.

        Connections wait until `serve`. An address of a family that this machine does not have is
        left out if there is another one.

        Raises:
            UsageError: there is no such host.
            DistilError: an address is in use, not one of this machine, or needs permissions.
        """
        with ExitStack() as stack:
            yield [stack.enter_context(each) for each in self._listeners()]

    def _listeners(self) -> list[socket.socket]:
        places = self._places()
        for _ in range(_PORT_ATTEMPTS):
            try:
                return _listen_on_all(places)
            except _RefusedError as error:
                refused = error
                if self.port or error.reason.errno != errno.EADDRINUSE:
                    break
        host = refused.place.address[0]
        shown = self.host if host == self.host else f"{self.host} ({host})"
        raise DistilError(
            f"Can't listen on {shown} port {self.port}: {refused.reason.strerror}.",
            "Choose another --port or --host.",
        )

    def _places(self) -> list[_Place]:
        try:
            found = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except (socket.gaierror, UnicodeError):
            raise UsageError(
                f"{self.host} is not a known host name or address.",
                "Use one of this machine, such as 127.0.0.1.",
            ) from None
        return list(dict.fromkeys(_Place(family, address) for family, *_, address in found))


def in_url(host: str) -> str:
    """Return a host as it is written in a URL."""
    return f"[{host}]" if ":" in host else host


def _listen_on_all(places: Sequence[_Place]) -> list[socket.socket]:
    """Listen on all places that this machine can have, with the port that the first one gets.

    Raises:
        _RefusedError: one is refused, or this machine can have none of them.
    """
    listeners: list[socket.socket] = []
    absent: list[_RefusedError] = []
    with ExitStack() as stack:
        for place in places:
            port = listeners[0].getsockname()[1] if listeners else place.address[1]
            try:
                listener = _listen(place.with_port(port), has_others=len(places) > 1)
            except OSError as error:
                refused = _RefusedError(place, error)
                if _has_family(place.family):
                    raise refused from None
                absent.append(refused)
            else:
                listeners.append(stack.enter_context(listener))
        if not listeners:
            raise absent[0]
        stack.pop_all()
    return listeners


def _listen(place: _Place, *, has_others: bool) -> socket.socket:
    listener = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Its connections inherit this: the kernel drops clients that read nothing.
            milliseconds = _UNREAD_SECONDS * 1000
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        if has_others and place.family == socket.AF_INET6:
            # Else :: takes the port of 0.0.0.0 as well, which then can't be bound.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place.address)
        listener.listen(_BACKLOG)  # until then, another process can bind the same port
    except OSError:
        listener.close()
        raise
    return listener


def _has_family(family: socket.AddressFamily) -> bool:
    """Return whether this machine has addresses of a family, its loopback address at least."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((_LOOPBACK[family], 0))
    except OSError:
        return False
    return True
