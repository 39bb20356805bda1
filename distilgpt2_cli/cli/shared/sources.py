"""What a command reads: files that the user names, which may be pipes, or standard input."""

import codecs
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

from ...errors import DistilError, NotUtf8Error, UsageError
from ...files import own_path
from ...terminal import Terminal
from ...terminal.input import LineReader

STDIN = "-"

_STDIN_PATHS = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_PART = 2**18  # bytes
_MARK = "\ufeff"  # the byte order mark, which some programs write before UTF-8


def own_source(name: str) -> str:
    """Return what an argument names: `STDIN`, or a path, whose ``~`` is the home folder."""
    if name in (STDIN, *_STDIN_PATHS):
        return STDIN
    return str(own_path(name)) if name.startswith("~") else name


def check_read_once(names: Iterable[str | None]) -> None:
    """Make sure that a command reads standard input, or a pipe, once only.

    Args:
        names: all that it reads, as `own_source` returns it; twice what it reads twice, and None
            for what is not given.

    Raises:
        UsageError: it would read one of them again.
    """
    seen = set()
    for name in filter(None, names):
        identity = _identity(name)
        if identity in seen:
            what = "Standard input" if name == STDIN else f"{name} is a pipe or device, which"
            raise UsageError(f"{what} can only be read once.", "Save the text in a file.")
        if identity is not None:
            seen.add(identity)


def can_be_read_again(name: str) -> bool:
    """Return whether it is a regular file, which can be read at any time and has a size."""
    return _identity(name) is None


def check_readable(name: str, remedy: str) -> None:
    """Make sure, before the work, that a file can be read, without reading from a pipe.

    Raises:
        DistilError: it can't.
    """
    try:
        if can_be_read_again(name):
            with Path(name).open("rb") as file:
                file.read(1)
    except OSError as error:
        raise cannot_read(error, name, remedy) from None


def read_source(terminal: Terminal, name: str, remedy: str) -> Iterator[bytes]:
    """Yield the bytes of a file, or of standard input, in parts.

    Args:
        terminal: whose standard input it is.
        name: as `own_source` returns it.
        remedy: what to do if it can't be read, as a sentence.

    Raises:
        DistilError: it can't be read.
    """
    if name == STDIN:
        yield from terminal.read()
        return
    try:
        with Path(name).open("rb") as file:
            while part := file.read(_PART):
                yield part
    except OSError as error:
        raise cannot_read(error, name, remedy) from None


@contextmanager
def open_lines(terminal: Terminal, name: str, remedy: str, limit: int) -> Iterator[LineReader]:
    """Open the lines of a file, or of standard input; the reader has None for a long one.

    Args:
        terminal: whose standard input it is.
        name: as `own_source` returns it.
        remedy: what to do if it can't be read, as a sentence.
        limit: the bytes of the longest line.

    Raises:
        DistilError: it can't be opened; or the reader can't read it.
    """
    reader = terminal.line_reader(limit) if name == STDIN else None
    if reader:
        yield reader
        return
    with ExitStack() as stack:
        try:
            path = Path(os.devnull if name == STDIN else name)
            file = stack.enter_context(path.open("rb", buffering=0))
        except OSError as error:
            raise cannot_read(error, name, remedy) from None
        yield LineReader(file.fileno(), limit, lambda error: cannot_read(error, name, remedy))


def decoded(parts: Iterable[bytes], source: str, *, exact: bool = False) -> Iterator[str]:
    """Yield the text of bytes that come in parts, without a byte order mark at its beginning.

    Args:
        parts: the bytes.
        source: where they come from, for the error message.
        exact: keep a byte order mark, and bytes that are not UTF-8 as lone surrogates.

    Raises:
        DistilError: they are not UTF-8; names their source and the offset of the first wrong byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(on_errors(exact))
    offset, begun = 0, exact
    for part in chain(parts, [b""]):
        started, _ = decoder.getstate()
        try:
            text = decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            raise NotUtf8Error(source, error, offset - len(started)) from None
        yield text if begun else text.removeprefix(_MARK)
        begun = begun or text != ""
        offset += len(part)


def on_errors(exact: bool) -> str:
    """Return what Python does with bytes that are not UTF-8: it keeps them, or fails."""
    return "surrogateescape" if exact else "strict"


def source_name(name: str) -> str:
    """Return what a sentence calls a source, as `own_source` returns it."""
    return "Standard input" if name == STDIN else name


def is_file_name(text: str) -> bool:
    """Return whether a text is the name of something that can be read, and not of a folder."""
    try:
        return not stat.S_ISDIR(Path(text).stat().st_mode)
    except (OSError, ValueError):  # such as a name that is too long, or has a NUL
        return False


def cannot_read(error: OSError, name: str, remedy: str) -> DistilError:
    """Return the error for a person to read: what can't be read, why, and what to do."""
    return DistilError(f"Can't read {name}: {error.strerror or error}.", remedy)


def _identity(name: str) -> tuple[int, int] | None:
    """Return what all names of a pipe or device have in common, None for other files.

    Standard input has one even if it is a file: its position is not that of another opening.
    """
    try:
        found = os.fstat(0) if name == STDIN else Path(name).stat()
    except OSError:
        return (-1, -1) if name == STDIN else None
    if name == STDIN or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return found.st_dev, found.st_ino
    return None
