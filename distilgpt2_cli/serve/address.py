"""Where the server listens, and who may use it: a socket for each address of its host name."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .access import Access
from .listening import in_url, listeners


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
            found = listeners(self.host, self.port, "Choose another --port or --host.")
            yield [stack.enter_context(each) for each in found]
