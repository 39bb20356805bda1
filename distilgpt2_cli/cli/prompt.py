"""The texts that a command works on, from its argument or from standard input."""

import codecs
import os
from collections.abc import Iterator
from itertools import chain

from ..errors import DistilError, UsageError
from ..terminal import Terminal

MAX_CHARACTERS = 2**20
"""The end of standard input that is kept: far more than any context window holds."""

MAX_LINE_BYTES = 2**20
"""A longer line is no prompt, and would fill the memory."""


def read_prompt(terminal: Terminal, argument: str | None) -> str:
    """Return the argument, or standard input without its last line end for none or ``-``.

    Of a standard input of over `MAX_CHARACTERS`, only the end is kept.

    Raises:
        DistilError: the text is not UTF-8; names the offset of the first wrong byte.
    """
    if argument is not None and argument != "-":
        return _decoded(os.fsencode(argument), "The prompt")
    text, dropped = _read_end(terminal)
    if dropped:
        terminal.notice(
            f"Standard input is longer than {MAX_CHARACTERS} characters: its first {dropped} are"
            " left out."
        )
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")


class LinePrompts:
    """An iterator over the lines of standard input, each a prompt, with their numbers from 1 on.

    A line that can't be a prompt is reported and left out.

    Attributes:
        count: the lines read so far.
        failures: how many of them were left out.
    """

    def __init__(self, terminal: Terminal, argument: str | None) -> None:
        """Read nothing yet.

        Raises:
            UsageError: the prompts can't come from standard input.
        """
        if argument not in (None, "-") or terminal.stdin_is_terminal:
            raise UsageError(
                "--lines takes its prompts from standard input only, a line each.",
                "Pipe them in: distil generate --lines < prompts.txt.",
            )
        self._terminal = terminal
        self.count = 0
        self.failures = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield number and prompt; waits for a line, and reads no more than is asked for."""
        for line in self._terminal.read_lines(MAX_LINE_BYTES):
            self.count += 1
            try:
                yield self.count, self._prompt(line)
            except DistilError as error:
                self.failures += 1
                self._terminal.failure(error)

    def check(self) -> None:
        """See to it that the command fails if a line did.

        Raises:
            DistilError: at least one line was left out.
        """
        if self.failures:
            raise DistilError(
                f"{self.failures} of {self.count} lines were left out.",
                "Mend them, as said above, and run those again.",
            )

    def _prompt(self, line: bytes | None) -> str:
        if line is None:
            raise DistilError(
                f"Line {self.count} is longer than {MAX_LINE_BYTES} bytes.",
                "Shorten it: only its end would fit into the context window.",
            )
        return _decoded(_without_line_end(line), f"Line {self.count}")


def _read_end(terminal: Terminal) -> tuple[str, int]:
    """Return the end of standard input, and how many characters before it were left out."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    text, dropped, offset = "", 0, 0
    for part in chain(terminal.read(), [b""]):
        started, _ = decoder.getstate()
        try:
            text += decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            raise _not_utf8("Standard input", error, offset - len(started)) from None
        offset += len(part)
        excess = max(len(text) - MAX_CHARACTERS, 0)
        text, dropped = text[excess:], dropped + excess
    return text, dropped


def _without_line_end(data: bytes) -> bytes:
    return data[:-2] if data.endswith(b"\r\n") else data.removesuffix(b"\n")


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(source, error) from None


def _not_utf8(source: str, error: UnicodeDecodeError, before: int = 0) -> DistilError:
    return DistilError(
        f"{source} is not UTF-8 text: the byte at offset {before + error.start} "
        f"(0x{error.object[error.start]:02x}) can't stand there.",
        "Convert it first, for instance with: iconv -f LATIN1 -t UTF-8.",
    )
