"""The texts that a command works on, from its argument or from standard input."""

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

from ...errors import DistilError, NotUtf8Error, UsageError
from ...terminal import Terminal
from .errors import show_error
from .sources import STDIN, read_source

MAX_CHARACTERS = 2**20
"""How much of the end of a prompt is kept: far more than any context window holds."""

MAX_LINE_BYTES = 2**20
"""The longest line: a longer one is not a prompt, and would fill the memory."""

_MARK = "\ufeff"  # the byte order mark, which some programs write before UTF-8


def read_prompt(terminal: Terminal, argument: str | None) -> str:
    """Return the argument; if it is None or ``-``, standard input without its last line end.

    Only the last `MAX_CHARACTERS` of standard input are kept.

    Raises:
        DistilError: it can't be read, or is not UTF-8; names the offset of the first wrong byte.
    """
    if argument is not None and argument != STDIN:
        _notice_unread(terminal, "prompt")
        return argument_text(argument, "The prompt")
    text, dropped = _read_end(terminal)
    if dropped:
        terminal.notice(
            f"Standard input is longer than {MAX_CHARACTERS} characters: the first {dropped} are"
            " left out."
        )
    return _without_last_line_end(text)


def source_of(argument: str | None) -> str | None:
    """Return what `read_prompt` and `read_text` read, for `check_read_once`."""
    return STDIN if argument in (None, STDIN) else None


class InputLines:
    """An iterator over the lines of standard input, each a text, numbered from 1.

    An empty line is skipped. A line that is not a text is reported and skipped.

    Attributes:
        count: the lines read so far.
        failures: how many of them were skipped.
    """

    def __init__(
        self, terminal: Terminal, argument: str | None, command: str, *, exact: bool = False
    ) -> None:
        """Read nothing yet.

        Args:
            terminal: whose standard input it is.
            argument: the command's text argument, which must be None or ``-``.
            command: its name, for the error message.
            exact: keep a byte order mark, and bytes that are not UTF-8 as lone surrogates.

        Raises:
            UsageError: the lines can't come from standard input.
        """
        if argument not in (None, STDIN) or terminal.stdin_is_terminal:
            raise UsageError(
                "--lines reads its texts from standard input, one per line.",
                f"Use it as in: distil {command} --lines < texts.txt.",
            )
        self._terminal = terminal
        self._exact = exact
        self._empty = 0
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
                continue
            if text:
                yield self.count, text
            else:
                self._empty += 1

    def skip(self, error: DistilError, number: int | None = None) -> None:
        """Report a line that failed, and count it; without ``number``, the error has it."""
        self.failures += 1
        show_error(self._terminal, error, "" if number is None else f"Line {number}: ")

    def check(self) -> None:
        """Give a notice of empty lines, and make sure that the command fails if a line did.

        Raises:
            DistilError: at least one line failed.
        """
        if self._empty:
            lines = "line was" if self._empty == 1 else "lines were"
            self._terminal.notice(f"{self._empty} empty {lines} skipped.")
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
        if self.count == 1 and not self._exact:
            line = line.removeprefix(codecs.BOM_UTF8)
        return _decoded(_without_line_end(line), f"Line {self.count}", exact=self._exact)


def read_text(terminal: Terminal, argument: str | None) -> str:
    """Return the argument; if None or ``-``, all of standard input without its last line end.

    Raises:
        DistilError: it can't be read, or is not UTF-8; names the offset of the first wrong byte.
    """
    return "".join(read_parts(terminal, argument))


def read_parts(terminal: Terminal, argument: str | None, *, exact: bool = False) -> Iterator[str]:
    """Yield the text of `read_text` in parts, which takes little memory.

    Args:
        terminal: whose standard input it is.
        argument: the text; None or ``-`` for standard input.
        exact: keep a byte order mark, and bytes that are not UTF-8 as lone surrogates.

    Raises:
        DistilError: it can't be read, or is not UTF-8; names the offset of the first wrong byte.
    """
    if argument is not None and argument != STDIN:
        _notice_unread(terminal, "text")
        yield _decoded(os.fsencode(argument), "The text", exact=exact)
        return
    held = ""
    for part in decoded(terminal.read(), "Standard input", exact=exact):
        text = held + part
        held = text[-2:]  # it may be the last line end
        yield text[:-2]
    yield _without_last_line_end(held)


def read_file_lines(terminal: Terminal, name: str) -> list[tuple[int, str]]:
    """Return the lines of a file, or for ``-`` of standard input, numbered from 1.

    Raises:
        DistilError: it can't be read, or a line is not UTF-8.
    """
    data = b"".join(read_source(terminal, name, "Use a text file, or - for standard input."))
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


def decoded(parts: Iterable[bytes], source: str, *, exact: bool = False) -> Iterator[str]:
    """Yield the text of bytes that come in parts, without a byte order mark at its beginning.

    Args:
        parts: the bytes.
        source: where they come from, for the error message.
        exact: keep a byte order mark, and bytes that are not UTF-8 as lone surrogates.

    Raises:
        DistilError: they are not UTF-8; names their source and the offset of the first wrong byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(_on_errors(exact))
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


def _decoded(data: bytes, source: str, *, exact: bool = False) -> str:
    try:
        return data.decode(errors=_on_errors(exact))
    except UnicodeDecodeError as error:
        raise NotUtf8Error(source, error) from None


def _on_errors(exact: bool) -> str:
    return "surrogateescape" if exact else "strict"


def _notice_unread(terminal: Terminal, what: str) -> None:
    """Report a text that nobody reads, as in ``cat notes.txt | distil generate Summary:``."""
    if terminal.stdin_has_data:
        terminal.notice(
            f"Standard input is ignored, because the {what} is an argument; use - to read it."
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
