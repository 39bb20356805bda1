"""The texts that a command works on: from its argument, a file, or standard input."""

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

from ...errors import DistilError, NotUtf8Error, UsageError
from ...lines import MAX_LINE_BYTES, text_of_line
from ...terminal import Terminal
from ...terminal.input import LineReader
from .errors import show_error
from .options import TextOptions
from .sources import (
    check_readable,
    decoded,
    is_file_name,
    on_errors,
    open_lines,
    read_source,
    source_name,
)

MAX_CHARACTERS = 2**20
"""How much of the end of a prompt is kept: far more than any context window holds."""

_FILE_REMEDY = "Check the file name after --file."


def read_prompt(terminal: Terminal, text: TextOptions) -> str:
    """Return the text of the options; that of a file or of standard input without its line end.

    Only the last `MAX_CHARACTERS` of a file or of standard input are kept.

    Raises:
        DistilError: it can't be read, or is not UTF-8; names the offset of the first wrong byte.
    """
    _notice_unread(terminal, text)
    source = _source(terminal, text)
    if source is None:
        return argument_text(text.argument or "", "The prompt")
    found, dropped = _read_end(terminal, source)
    if dropped:
        terminal.notice(
            f"{source_name(source)} is longer than {MAX_CHARACTERS} characters: the first"
            f" {dropped} are left out."
        )
    return _without_last_line_end(found)


class InputLines:
    """An iterator over the lines of a file or of standard input, each a text, numbered from 1.

    An empty line is skipped. A line that is not a text is reported and skipped.

    Attributes:
        count: the lines read so far.
        failures: how many of them were skipped.
    """

    def __init__(
        self,
        terminal: Terminal,
        text: TextOptions,
        command: str,
        *,
        exact: bool = False,
        too_long: str = "Shorten it, or run it alone without --lines.",
    ) -> None:
        """Read nothing yet, but make sure that it can be read.

        Args:
            terminal: whose standard input it may be.
            text: where the lines come from.
            command: the name of the command, for the error message.
            exact: keep a byte order mark, and bytes that are not UTF-8 as lone surrogates.
            too_long: what to do about a line that is too long, as a sentence.

        Raises:
            UsageError: the options give no lines.
            DistilError: the file can't be read.
        """
        source = _source(terminal, text)
        if source is None:
            raise UsageError(
                "--lines reads its texts from a file or standard input, one per line.",
                f"Use it as in: distil {command} --lines < texts.txt.",
            )
        _notice_unread(terminal, text)
        check_readable(source, _FILE_REMEDY)
        self._terminal = terminal
        self._source = source
        self._exact = exact
        self._too_long = too_long
        self._empty = 0
        self.count = 0
        self.failures = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield number and text; waits for each line, and reads no further than asked."""
        with self.open() as reader:
            for line in reader:
                try:
                    text = self.accept(line)
                except DistilError as error:
                    self.skip(error)
                    continue
                if text is not None:
                    yield self.count, text

    def open(self) -> AbstractContextManager[LineReader]:
        """Open the lines for whoever passes each of them to `accept`.

        Raises:
            DistilError: they can't be read.
        """
        return open_lines(self._terminal, self._source, _FILE_REMEDY, MAX_LINE_BYTES)

    def accept(self, line: bytes | None) -> str | None:
        """Count a line, and return its text, None if it is empty.

        Raises:
            DistilError: it is not a text. `skip` is for the caller to call.
        """
        self.count += 1
        text = self._text(line)
        if not text:
            self._empty += 1
        return text or None

    def skip(self, error: DistilError, number: int | None = None) -> None:
        """Report a line that failed, and count it; without ``number``, the error has it."""
        self.failures += 1
        show_error(self._terminal, error, "" if number is None else f"Line {number}: ")

    def check(self) -> None:
        """Give a notice of empty lines, and make sure that the command fails if a line did.

        Raises:
            DistilError: at least one line failed.
        """
        notice_empty(self._terminal, self._empty)
        if self.failures:
            raise DistilError(
                f"{self.failures} of {self.count} lines were skipped.",
                "Correct them (see the errors above), and run those lines again.",
            )

    def _text(self, line: bytes | None) -> str:
        return text_of_line(
            line,
            self.count,
            self._too_long,
            first=self.count == 1 and not self._exact,
            errors=on_errors(self._exact),
        )


def notice_empty(terminal: Terminal, count: int) -> None:
    """Report how many empty lines were skipped, if there were any."""
    if count:
        lines = "line was" if count == 1 else "lines were"
        terminal.notice(f"{count} empty {lines} skipped.")


def read_text(terminal: Terminal, text: TextOptions) -> str:
    """Return the text of the options; that of a file or of standard input without its line end.

    Raises:
        DistilError: it can't be read, or is not UTF-8; names the offset of the first wrong byte.
    """
    return "".join(read_parts(terminal, text))


def read_parts(terminal: Terminal, text: TextOptions, *, exact: bool = False) -> Iterator[str]:
    """Return the text of `read_text` in parts, which takes little memory.

    Args:
        terminal: whose standard input it may be.
        text: where the text comes from.
        exact: keep a byte order mark, and bytes that are not UTF-8 as lone surrogates.

    Raises:
        DistilError: it can't be read, or is not UTF-8; names the offset of the first wrong byte.
    """
    _notice_unread(terminal, text)
    source = _source(terminal, text)
    if source is None:
        return iter([_decoded(os.fsencode(text.argument or ""), "The text", exact=exact)])
    check_readable(source, _FILE_REMEDY)
    data = read_source(terminal, source, _FILE_REMEDY)
    return without_line_end(decoded(data, source_name(source), exact=exact))


def without_line_end(parts: Iterable[str]) -> Iterator[str]:
    """Yield a text that comes in parts, without its last line end."""
    held = ""
    for part in parts:
        found = held + part
        held = found[-2:]  # it may be the last line end
        yield found[:-2]
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


def _read_end(terminal: Terminal, source: str) -> tuple[str, int]:
    """Return the end of a source, and how many characters before it were left out."""
    text, dropped = "", 0
    data = read_source(terminal, source, _FILE_REMEDY)
    for part in decoded(data, source_name(source)):
        excess = max(len(text) + len(part) - MAX_CHARACTERS, 0)
        text = text[excess:] + part[max(excess - len(text), 0) :]
        dropped += excess
    return text, dropped


def _without_last_line_end(text: str) -> str:
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")


def _decoded(data: bytes, source: str, *, exact: bool = False) -> str:
    try:
        return data.decode(errors=on_errors(exact))
    except UnicodeDecodeError as error:
        raise NotUtf8Error(source, error) from None


def notice_file_name(terminal: Terminal, text: str, remedy: str = "") -> None:
    """Report a text that is also the name of a file, as in ``distil score notes.txt``."""
    if text and is_file_name(text):
        terminal.notice(f"{text} is also a file; its name is used as the text.{remedy}")


def notice_space(terminal: Terminal, prompt: str, name: str = "The prompt") -> bool:
    """Report a prompt that ends in a space, and return whether it does."""
    ends_in_space = prompt.endswith(" ")
    if ends_in_space:
        terminal.notice(
            f"{name} ends in a space. Most tokens begin with their own space, so the model"
            " continues with unusual ones; leave it out for ordinary text."
        )
    return ends_in_space


def noticing_space(
    terminal: Terminal, prompts: Iterable[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    """Yield numbered prompts; report the first one that ends in a space."""
    noticed = False
    for number, prompt in prompts:
        noticed = noticed or notice_space(terminal, prompt)
        yield number, prompt


def _source(terminal: Terminal, text: TextOptions) -> str | None:
    """Return what is read: nothing if the text is the argument, or omitted on a terminal."""
    return None if text.is_omitted and terminal.stdin_is_terminal else text.source


def _notice_unread(terminal: Terminal, text: TextOptions) -> None:
    """Report what nobody reads, as in ``cat notes.txt | distil generate Summary:``."""
    if text.argument is not None:
        notice_file_name(terminal, text.argument, " Use --file to read the file.")
        if terminal.stdin_has_data:
            terminal.notice(
                "Standard input is ignored, because the text is an argument; use - to read it."
            )


_Prepared = TypeVar("_Prepared")


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
