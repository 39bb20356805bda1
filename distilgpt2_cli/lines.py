"""Lines as texts: the same rules wherever lines are read."""

import codecs

from .errors import DistilError, NotUtf8Error

MAX_LINE_BYTES = 2**20
"""The longest line with its end: a longer one is not a prompt, and would fill the memory."""


def text_of_line(
    line: bytes | None, number: int, too_long: str, *, first: bool = False, errors: str = "strict"
) -> str:
    """Return the text of a line, without its line end.

    Args:
        line: with its end, if it has one; None for one of over `MAX_LINE_BYTES`.
        number: of the line, for the error message.
        too_long: what to do about a line that is too long, as a sentence.
        first: whether a byte order mark at its beginning is left out.
        errors: what Python does with bytes that are not UTF-8.

    Raises:
        DistilError: it is too long, or not UTF-8.
    """
    if line is None:
        raise DistilError(f"Line {number} is longer than {MAX_LINE_BYTES} bytes.", too_long)
    if first:
        line = line.removeprefix(codecs.BOM_UTF8)
    line = line[:-2] if line.endswith(b"\r\n") else line.removesuffix(b"\n")
    try:
        return line.decode(errors=errors)
    except UnicodeDecodeError as error:
        raise NotUtf8Error(f"Line {number}", error) from None
