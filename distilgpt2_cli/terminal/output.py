"""Bytes and texts that reach a standard stream whole, or end in an error.

Little is imported here, so that what needs no more than this is quick.
"""

import io
import os
import sys

from ..errors import ReaderGoneError
from .sanitize import visible

TYPE_CHECKING = False  # as in typing, whose import takes longer than all of `distil --version`
if TYPE_CHECKING:
    from typing import BinaryIO


def standard_output() -> "BinaryIO":
    """Return standard output, or a stream that can't be written where it is closed."""
    if sys.stdout:
        return sys.stdout.buffer
    return os.fdopen(os.open(os.devnull, os.O_RDONLY), "wb", buffering=0)


def write(stream: "BinaryIO", text: str) -> None:
    """Write a text to standard output at once.

    Raises:
        ReaderGoneError: nobody reads it any more.
        DistilError: it can't be written.
    """
    try:
        # A path may hold bytes that are not UTF-8; Python keeps them as lone surrogates.
        stream.write(text.encode(errors="surrogateescape"))
        stream.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        give_up(stream)
        from ..files import cannot_write

        raise cannot_write(error, "Standard output", "Check where it is redirected to.") from None


def give_up(stream: "BinaryIO") -> None:
    """Let what could not be written go nowhere when Python tries again at its end."""
    with null_device() as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def null_device() -> "BinaryIO":
    """Open what takes everything and keeps nothing."""
    return open(os.devnull, "wb")  # noqa: PTH123


class _VisibleText(io.TextIOWrapper):
    """A text stream to a terminal that lets no control character through."""

    def write(self, text: str) -> int:
        return super().write(visible(text))


def make_stderr_visible() -> None:
    """Make sure that what others print on standard error is harmless for a terminal, too.

    typer repeats arguments that it does not understand, and they may be names of files.
    """
    if sys.stderr and sys.stderr.isatty():
        sys.stderr = _VisibleText(
            sys.stderr.buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
