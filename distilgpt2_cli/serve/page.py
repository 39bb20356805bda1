"""The page at ``/``, and what a browser lets it do."""

from functools import cache
from importlib import resources


@cache
def document() -> bytes:
    """Return the HTML document."""
    return (resources.files(__package__) / "page.html").read_bytes()


def headers() -> dict[str, str]:
    """Return the headers to send it with."""
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
