"""Sockets that listen on every address of a host name; nothing here needs HTTP."""

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from ..errors import DistilError, UsageError

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


def listeners(host: str, port: int, remedy: str) -> list[socket.socket]:
    """Listen on every address of a host, on the same port of each.

    An address of a family that this machine does not have is left out if there is another one.

    Args:
        host: a name or an address of this machine.
        port: 0 for any free one.
        remedy: what to do where that can't be, as a sentence.

    Raises:
        UsageError: there is no such host.
        DistilError: an address is in use, not one of this machine, or needs permissions.
    """
    places = _places(host, port)
    for _ in range(_PORT_ATTEMPTS):
        try:
            return _listen_on_all(places)
        except _RefusedError as error:
            refused = error
            if port or error.reason.errno != errno.EADDRINUSE:
                break
    address = refused.place.address[0]
    shown = host if host == address else f"{host} ({address})"
    raise DistilError(f"Can't listen on {shown} port {port}: {refused.reason.strerror}.", remedy)


def in_url(host: str) -> str:
    """Return a host as it is written in a URL."""
    return f"[{host}]" if ":" in host else host


def _places(host: str, port: int) -> list[_Place]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise UsageError(
            f"{host} is not a known host name or address.",
            "Use one of this machine, such as 127.0.0.1.",
        ) from None
    return list(dict.fromkeys(_Place(family, address) for family, *_, address in found))


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
