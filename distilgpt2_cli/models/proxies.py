"""The proxies that the environment names, as httpx2 uses them."""

import ipaddress
from collections.abc import Iterator, Mapping, MutableMapping
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import ModelUnavailableError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_GNOME, _GNOME_MEANS = "socks://", "socks5://"


class Proxy(NamedTuple):
    """A proxy, and the variable that names it; the address has no user name and password."""

    variable: str
    address: str

    def __str__(self) -> str:
        """Such as ``http://127.0.0.1:3128 (HTTPS_PROXY)``."""
        return f"{self.address} ({self.variable})"


def proxy_for(address: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy through which an address is asked, None if it is asked directly.

    ``NO_PROXY`` is read as httpx2 does: ``*``, hosts with their subdomains, addresses, networks.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    if any(_is_exempt(host, each.strip()) for each in _value("no", environment).split(",")):
        return None
    for kind in (parts.scheme, "all"):
        variable = _variable(kind, environment)
        if variable:
            return Proxy(variable, without_password(environment[variable]).rstrip("/"))
    return None


def without_password(address: str) -> str:
    """Return an address without the user name and password if it has them."""
    scheme, separator, rest = address.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def faults(environment: Mapping[str, str]) -> Iterator[ModelUnavailableError]:
    """Find the variables that name no proxy; what they hold may be a password, and is not shown."""
    for variable in filter(
        None, (_variable(kind, environment) for kind in ("http", "https", "all"))
    ):
        value = _translated(environment[variable])
        scheme, separator, _ = value.partition("://")
        if separator and scheme.lower() not in _SCHEMES:
            yield ModelUnavailableError(
                f"{variable} names a proxy of the kind {scheme}://, which can't be used.",
                f"Use {', '.join(f'{each}://' for each in _SCHEMES[:-1])} or {_SCHEMES[-1]}://.",
            )
        elif not _is_address(value if separator else f"http://{value}"):
            yield ModelUnavailableError(
                f"{variable} is not the address of a proxy.",
                "Use an address such as http://HOST:PORT, or unset it.",
            )


def translate(environment: MutableMapping[str, str]) -> None:
    """Write ``socks://``, the form of GNOME's settings, as httpx2 knows it."""
    for kind in ("http", "https", "all"):
        variable = _variable(kind, environment)
        if variable:
            environment[variable] = _translated(environment[variable])


def _translated(value: str) -> str:
    is_gnome = value.lower().startswith(_GNOME)
    return _GNOME_MEANS + value[len(_GNOME) :] if is_gnome else value


def _variable(kind: str, environment: Mapping[str, str]) -> str | None:
    """Return the variable that names the proxy of a kind: lower case wins, also if it is empty."""
    name = f"{kind}_proxy"
    spellings = [each for each in environment if each.lower() == name and environment[each]]
    if name in environment:
        return name if environment[name] else None
    if kind == "http" and "REQUEST_METHOD" in environment:
        return None  # in a CGI program, HTTP_PROXY is a header of the request: see urllib.request
    return spellings[-1] if spellings else None


def _value(kind: str, environment: Mapping[str, str]) -> str:
    variable = _variable(kind, environment)
    return environment[variable] if variable else ""


def _is_address(value: str) -> bool:
    import httpx2

    try:
        return bool(httpx2.Proxy(value).url.host)
    except (ValueError, UnicodeError, httpx2.InvalidURL):
        return False


def _is_exempt(host: str, entry: str) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        domain = entry.rpartition("://")[2].partition(":")[0].removeprefix("*").lstrip(".")
        return host == domain or host.endswith(f".{domain}")
