"""The texts that a command works on, from its argument or from standard input."""

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from ...errors import DistilError, UsageError
from ...terminal import Terminal
from .errors import show_error

MAX_CHARACTERS = 2**20
"""How much of the end of a prompt is kept: far more than any context window holds."""

MAX_LINE_BYTES = 2**20
"""The longest line: a longer one is not a prompt, and would fill the memory."""


def read_prompt(terminal: Terminal, argument: str | None) -> str:
    """Return the argument; if it is None or ``-``, standard input without its last line end.

    Only the last `MAX_CHARACTERS` of standard input are kept.

    Raises:
        DistilError: the text is not UTF-8; names the offset of the first wrong byte.
    """
    if argument is not None and argument != "-":
        return _decoded(os.fsencode(argument), "The prompt")
    text, dropped = _read_end(terminal)
    if dropped:
        terminal.notice(
            f"Standard input is longer than {MAX_CHARACTERS} characters: the first {dropped} are"
            " left out."
        )
    return _without_last_line_end(text)


class InputLines:
    """An iterator over the lines of standard input, each a text, numbered from 1.

    A line that is not a text is reported and skipped.

    Attributes:
        count: the lines read so far.
        failures: how many of them were skipped.
    """

    def __init__(
        self, terminal: Terminal, argument: str | None, command: str, *, errors: str = "strict"
    ) -> None:
        """Read nothing yet.

        Args:
            terminal: whose standard input it is.
            argument: the command's text argument, which must be None or ``-``.
            command: its name, for the error message.
            errors: ``surrogateescape`` to keep bytes that are not UTF-8 as lone surrogates.

        Raises:
            UsageError: the lines can't come from standard input.
        """
        if argument not in (None, "-") or terminal.stdin_is_terminal:
            raise UsageError(
                "--lines reads its texts from standard input, one per line.",
                f"Use it as in: distil {command} --lines < texts.txt.",
            )
        self._terminal = terminal
        self._errors = errors
        self.count = 0
        self.failures = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield number and text; waits for each line, and reads no further than asked."""
        for line in self._terminal.read_lines(MAX_LINE_BYTES):
            self.count += 1
            try:
                text = self._text(line)
            except DistilError as error:
                self.skip(error)
            else:
                yield self.count, text

    def skip(self, error: DistilError, number: int | None = None) -> None:
        """Report a line that failed, and count it; without ``number``, the error has it."""
        self.failures += 1
        show_error(self._terminal, error, "" if number is None else f"Line {number}: ")

    def check(self) -> None:
        """Make sure that the command fails if a line did.

        Raises:
            DistilError: at least one line was skipped.
        """
        if self.failures:
            raise DistilError(
                f"{self.failures} of {self.count} lines were skipped.",
                "Correct them (see the errors above), and run those lines again.",
            )

    def _text(self, line: bytes | None) -> str:
        if line is None:
            raise DistilError(
                f"Line {self.count} is longer than {MAX_LINE_BYTES} bytes.",
                "Shorten it, or run it alone without --lines.",
            )
        return _decoded(_without_line_end(line), f"Line {self.count}", self._errors)


def read_text(terminal: Terminal, argument: str | None, *, errors: str = "strict") -> str:
    """Return the argument; if None or ``-``, all of standard input without its last line end.

    Args:
        terminal: whose standard input it is.
        argument: the text; None or ``-`` for standard input.
        errors: ``surrogateescape`` to keep bytes that are not UTF-8 as lone surrogates.

    Raises:
        DistilError: the text is not UTF-8; names the offset of the first wrong byte.
    """
    return "".join(read_parts(terminal, argument, errors=errors))


def read_parts(
    terminal: Terminal, argument: str | None, *, errors: str = "strict"
) -> Iterator[str]:
    """Yield the text of `read_text` in parts, which takes little memory.

    Raises:
        DistilError: the text is not UTF-8; names the offset of the first wrong byte.
    """
    if argument is not None and argument != "-":
        yield _decoded(os.fsencode(argument), "The text", errors)
        return
    held = ""
    for part in decoded(terminal.read(), "Standard input", errors):
        text = held + part
        held = text[-2:]  # it may be the last line end
        yield text[:-2]
    yield _without_last_line_end(held)


def read_file_lines(terminal: Terminal, name: str) -> list[tuple[int, str]]:
    """Return the lines of a file, or for ``-`` of standard input, numbered from 1.

    A byte order mark at the beginning is not part of the text.

    Raises:
        DistilError: it can't be read, or a line is not UTF-8.
    """
    try:
        data = b"".join(terminal.read()) if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise DistilError(
            f"Can't read {name}: {error.strerror}.", "Use a text file, or - for standard input."
        ) from None
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not lines[-1]:
        del lines[-1]  # what follows the last line end
    return [
        (number, _decoded(line.removesuffix(b"\r"), f"Line {number}"))
        for number, line in enumerate(lines, 1)
    ]


def argument_text(argument: str, source: str) -> str:
    """Return an argument unchanged, after checking that it is UTF-8.

    Raises:
        DistilError: it is not UTF-8.
    """
    return _decoded(os.fsencode(argument), source)


def decoded(parts: Iterable[bytes], source: str, errors: str = "strict") -> Iterator[str]:
    """Yield the text of bytes that come in parts.

    Raises:
        DistilError: they are not UTF-8; names their source and the offset of the first wrong byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    offset = 0
    for part in chain(parts, [b""]):
        started, _ = decoder.getstate()
        try:
            yield decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            raise _not_utf8(source, error, offset - len(started)) from None
        offset += len(part)


def _read_end(terminal: Terminal) -> tuple[str, int]:
    """Return the end of standard input, and how many characters before it were left out."""
    text, dropped = "", 0
    for part in decoded(terminal.read(), "Standard input"):
        excess = max(len(text) + len(part) - MAX_CHARACTERS, 0)
        text = text[excess:] + part[max(excess - len(text), 0) :]
        dropped += excess
    return text, dropped


def _without_last_line_end(text: str) -> str:
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")


def _without_line_end(data: bytes) -> bytes:
    return data[:-2] if data.endswith(b"\r\n") else data.removesuffix(b"\n")


def _decoded(data: bytes, source: str, errors: str = "strict") -> str:
    try:
        return data.decode(errors=errors)
    except UnicodeDecodeError as error:
        raise _not_utf8(source, error) from None


def _not_utf8(source: str, error: UnicodeDecodeError, before: int = 0) -> DistilError:
    return DistilError(
        f"{source} is not UTF-8 text: the byte at offset {before + error.start} "
        f"(0x{error.object[error.start]:02x}) is not valid.",
        "Convert it first, for example with: iconv -f LATIN1 -t UTF-8.",
    )


_Prepared = TypeVar("_Prepared")
_Result = TypeVar("_Result")


def prepared(
    texts: Iterable[tuple[int, str]], prepare: Callable[[str], _Prepared]
) -> Iterator[tuple[int, str, _Prepared]]:
    """Yield number and text, with the result of ``prepare`` for the text.

    Raises:
        DistilError: ``prepare`` failed. For a line, that is reported instead, and the line skipped.
    """
    for number, text in texts:
        try:
            made = prepare(text)
        except DistilError as error:
            if not isinstance(texts, InputLines):
                raise
            texts.skip(error, number)
        else:
            yield number, text, made


def in_batches(
    texts: Iterable[tuple[int, str]],
    prepare: Callable[[str], _Prepared],
    work: Callable[[list[_Prepared]], Iterable[_Result]],
    size: int,
) -> Iterator[tuple[int, str, _Prepared, _Result]]:
    """Yield number and text, with the results of `prepared` and ``work``, ``size`` at a time.

    Raises:
        DistilError: as `prepared`, or ``work`` failed.
    """
    rest = prepared(texts, prepare)
    while batch := list(islice(rest, size)):
        results = work([made for _, _, made in batch])
        for (number, text, made), result in zip(batch, results, strict=True):
            yield number, text, made, result
