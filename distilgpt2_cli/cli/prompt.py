"""The text that a command works on, from its argument or from standard input."""

import os

from ..errors import DistilError
from ..terminal import Terminal


def read_prompt(terminal: Terminal, argument: str | None) -> str:
    """Return the argument, or standard input without its last line end for none or ``-``.

    Raises:
        DistilError: the text is not UTF-8; names the offset of the first wrong byte.
    """
    if argument is not None and argument != "-":
        return _decoded(os.fsencode(argument), "The prompt")
    data = terminal.read()
    if data.endswith(b"\r\n"):
        data = data[:-2]
    elif data.endswith(b"\n"):
        data = data[:-1]
    return _decoded(data, "Standard input")


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DistilError(
            f"{source} is not UTF-8 text: the byte at offset {error.start} "
            f"(0x{data[error.start]:02x}) can't stand there.",
            "Convert it first, for instance with: iconv -f LATIN1 -t UTF-8.",
        ) from None
