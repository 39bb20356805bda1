"""What is said about fields of a request that were ignored: a header, and a line of the log."""

from collections.abc import Sequence

from starlette.types import Scope

_UNQUOTED = str.maketrans({'"': "'", "\\": "/"})


def warning(names: Sequence[str]) -> dict[str, str]:
    """Return the header that names ignored fields (RFC 7234, 5.5), if there are any."""
    return {"warning": f'199 distil "{_sentence(names)}"'} if names else {}


def note(scope: Scope, names: Sequence[str]) -> None:
    """Have the fields named in the log when the request has been answered."""
    if names:
        scope["distil.notice"] = _sentence(names)


def _sentence(names: Sequence[str]) -> str:
    """Return a sentence in characters that a header may have."""
    shown = ", ".join(name[:50] for name in names[:10])
    ascii_only = shown.encode("ascii", "backslashreplace").decode().translate(_UNQUOTED)
    return f"Ignored fields: {ascii_only}."
