"""The page at ``/``: one HTML document without external files, and its security policy.

Its parts are separate files, so that editors and people can read them; they are joined once.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent


@cache
def document() -> bytes:
    """Return the HTML document, with its style and its script within."""
    page = _read("page.html")
    return page.replace("/* style */", _style()).replace("/* script */", _script()).encode()


@cache
def headers() -> dict[str, str]:
    """Return the headers to send it with.

    The content security policy allows this style, this script and requests to this server, and
    lets no script turn a text into HTML (https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/).
    """
    policy = {
        "default-src": "'none'",
        "script-src": _hash(_script()),
        "style-src": _hash(_style()),
        "img-src": "data:",  # its icon
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def _style() -> str:
    return _read("page.css")


def _script() -> str:
    return _read("client.js") + _read("page.js")


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    digest = b64encode(sha256(source.encode()).digest()).decode()
    return f"'sha256-{digest}'"
