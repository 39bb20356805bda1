"""The standard streams of a run: what each is connected to, and how output is written to it."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, BinaryIO

from ..errors import DistilError, UsageError
from ..units import format_bytes
from .input import LineReader, has_data, lines_within, standard_input
from .layout import (
    DEFAULT_WIDTH,
    GAP,
    MAX_WIDTH,
    MIN_COLUMN,
    cells,
    column_widths,
    fields,
    item,
    paragraph,
    side_by_side,
)
from .output import columns_of, give_up, standard_error, standard_output, write
from .progress import (
    DOWNLOAD,
    ERASE_LINE,
    Action,
    Advance,
    Waiting,
    bar,
    counting_bar,
    delayed,
    lines,
    silent,
)
from .sanitize import one_line, visible

BOLD, DIM, RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[0m"

_PART = 2**20  # bytes
_HOW_TO_END = "Reading from the terminal. Press Ctrl-D on an empty line to end."


class Terminal:
    """Standard input, output and error, and what each is connected to.

    Results go to standard output, everything else to standard error. Escape sequences are written
    to a terminal only, and only if neither ``NO_COLOR`` nor ``TERM=dumb`` forbids it.
    """

    def __init__(
        self,
        stdin: BinaryIO | None,
        stdout: BinaryIO,
        stderr: BinaryIO,
        environment: Mapping[str, str],
        *,
        quiet: bool = False,
    ) -> None:
        """Use these binary streams; ``stdin`` is None when it is closed, ``stderr`` never fails."""
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self.stdin_is_terminal = stdin is not None and stdin.isatty()
        self.stdout_is_terminal = stdout.isatty()
        self.stderr_is_terminal = stderr.isatty()
        self.quiet = quiet
        self._bar_is_drawn = False
        self._dumb = environment.get("TERM") == "dumb"
        self._colours_allowed = not environment.get("NO_COLOR") and not self._dumb

    @classmethod
    def system(cls, *, quiet: bool = False) -> "Terminal":
        """Return the terminal of this process."""
        return cls(standard_input(), standard_output(), standard_error(), os.environ, quiet=quiet)

    @property
    def stdout_has_colours(self) -> bool:
        """Whether standard output is a terminal on which colours are wanted."""
        return self.stdout_is_terminal and self._colours_allowed

    @property
    def columns(self) -> int | None:
        """The width of the terminal that standard output is, None if there is none."""
        return columns_of(self._stdout)

    @property
    def stdin_has_data(self) -> bool:
        """Whether standard input is a file, pipe or socket with something to read by now."""
        return self._stdin is not None and has_data(self._stdin.fileno())

    def read(self) -> Iterator[bytes]:
        """Yield all of standard input in parts, or nothing if it is closed.

        Raises:
            DistilError: it can't be read.
        """
        if self._stdin is None:
            return
        if self.stdin_is_terminal:
            yield from filter(None, self.read_lines(sys.maxsize - 1))
            return
        while part := _received(self._stdin.read, _PART):
            yield part

    def read_lines(self, limit: int) -> Iterator[bytes | None]:
        """Yield the lines of standard input with their ends, None for one of over ``limit`` bytes.

        Nothing is read ahead of what is asked for, but for a buffer. A notice says how to end the
        lines of a terminal.

        Raises:
            DistilError: it can't be read.
        """
        if self._stdin is None:
            return
        if self.stdin_is_terminal:
            self.notice(_HOW_TO_END)
        yield from lines_within(partial(_received, self._stdin.readline), limit)

    def line_reader(self, limit: int) -> LineReader | None:
        """Return a reader of what `read_lines` reads, None if standard input is closed."""
        if self._stdin is None:
            return None
        if self.stdin_is_terminal:
            self.notice(_HOW_TO_END)
        return LineReader(self._stdin.fileno(), limit, _cannot_read)

    def ask(self, question: str) -> bool:
        """Ask on standard error and return whether the answer was yes.

        Raises:
            UsageError: standard input or standard error is not a terminal.
        """
        if self._stdin is None or not (self.stdin_is_terminal and self.stderr_is_terminal):
            raise UsageError(
                f"{question} There is no terminal to answer on.", "Use --yes to confirm."
            )
        question = one_line(visible(question))
        self._stderr.write(f"{question} [y/N] ".encode(errors="backslashreplace"))
        return self._stdin.readline().strip().lower() in (b"y", b"yes")

    def write(self, text: str, *, style: str = "") -> None:
        """Write a piece of the result to standard output at once, styled if that is a terminal.

        Raises:
            ReaderGoneError: the reader of standard output has gone away.
        """
        if not text:
            return
        self.end_waiting()
        if self.stdout_is_terminal:
            text = self._styled(visible(text), style)
        write(self._stdout, text)

    def give_up_stdout(self) -> None:
        """Let what standard output has not taken go nowhere, where a terminal has gone away."""
        give_up(self._stdout)

    def write_json(self, record: Mapping[str, Any]) -> None:
        """Write one record as a line of JSON, in ASCII so that no control character gets through.

        Raises:
            ReaderGoneError: the reader of standard output has gone away.
        """
        self.write(json.dumps(record, allow_nan=False) + "\n")

    def write_table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows of cells as aligned columns below a header, the header bold on a terminal.

        On a narrow terminal, the last column is wrapped, or each row becomes a list of fields.
        """
        if self.stdout_is_terminal:
            rows = [[visible(cell) for cell in row] for row in rows]
        widths = column_widths([header, *rows], self.columns)
        if widths is None:
            for row in rows:
                self.write_heading(row[0])
                self.write_fields(list(zip(header, row, strict=True))[1:])
            return
        self.write(side_by_side(header, widths), style=BOLD)
        self.write("".join(f"\n{side_by_side(row, widths)}" for row in rows) + "\n")

    def write_side_by_side(
        self, header: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]
    ) -> None:
        """Write labelled rows of long texts in columns, or as fields on a narrow terminal.

        The texts of a row are laid out as paragraphs, each in a column of its own below its title
        in the header.
        """
        label_width = max((cells(label) for label, _ in rows), default=0)
        width = (self._width - label_width) // len(header) - len(GAP)
        if width < MIN_COLUMN:
            for label, texts in rows:
                self.write_heading(label)
                self.write_fields(list(zip(header, texts, strict=True)))
            return
        widths = [label_width, *[width] * len(header)]
        titles = ["", *(self._readable(title) for title in header)]
        self.write(side_by_side(titles, widths), style=BOLD)
        for label, texts in rows:
            readable = [label, *(self._readable(text) for text in texts)]
            self.write("\n" + side_by_side(readable, widths))
        self.write("\n")

    def write_heading(self, title: str) -> None:
        """Write a line that stands above others, bold on a terminal."""
        self.write_line(title, style=BOLD)

    def write_line(self, text: str, *, style: str = "") -> None:
        """Write a text as one line, which is wrapped at words on a terminal."""
        text = self._readable(text)
        if self.stdout_is_terminal:
            text = paragraph(text, self.columns or DEFAULT_WIDTH)
        self.write(text, style=style)
        self.write("\n")

    def write_paragraph(self, text: str) -> None:
        """Write a text in lines that fit the terminal, or `DEFAULT_WIDTH` elsewhere."""
        self.write(paragraph(self._readable(text), self._width) + "\n")

    def write_items(self, texts: Sequence[str]) -> None:
        """Write a list, each item laid out as a paragraph."""
        for text in texts:
            self.write(item(self._readable(text), self._width) + "\n")

    def write_fields(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write values beside their labels; a line end in either is shown as ``\\n``."""
        readable = [(self._readable(label), self._readable(value)) for label, value in rows]
        self.write(fields(readable, self._width) + "\n")

    def rule(self, title: str) -> None:
        """Draw a line across standard output with a title in it."""
        width = self.columns or DEFAULT_WIDTH
        self.write(f"── {title} ".ljust(width, "─") + "\n", style=DIM)

    def notice(self, message: str) -> None:
        """Write a message that is not a result to standard error, unless `quiet` is set."""
        if not self.quiet:
            self._say(message, DIM)

    def failure(self, error: DistilError) -> None:
        """Write an error and what to do next to standard error."""
        self._say(str(error), RED, label="Error: ")

    def progress(
        self, name: str, total: int | None, action: Action = DOWNLOAD, *, done: int = 0
    ) -> AbstractContextManager[Advance]:
        """Show the progress over ``total`` bytes, None if not known, on standard error.

        The value of the ``with`` statement is called with the number of bytes done since the last
        call. Without a terminal that can redraw a line, there is one line at the start and one at
        the end. A notice says where work is resumed of which ``done`` bytes were done before.
        """
        if self.quiet:
            return nullcontext(silent)
        if self._can_redraw:
            if done:
                self.notice(f"Resuming at {format_bytes(done)}.")
            return self._bar(name, total, done)
        return lines(self.notice, action, name, total, done)

    def bar(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Show on a terminal, and only there, the progress over ``total`` bytes.

        The value of the ``with`` statement is called with the number of bytes done since the last
        call.
        """
        return self._bar(name, total, 0) if self._can_redraw else nullcontext(silent)

    def counting(self, name: str, total: int | None) -> AbstractContextManager[Advance]:
        """Show on a terminal, and only there, how many of ``total`` items are finished.

        The value of the ``with`` statement is called with the number of items finished since the
        last call. Nothing is shown of work that takes less than a second.
        """
        if not self._can_redraw:
            return nullcontext(silent)
        drawn = counting_bar(self._stderr, name, total, coloured=self._colours_allowed)
        return delayed(self._as_drawn_bar(drawn))

    def counting_results(self, name: str, total: int | None) -> AbstractContextManager[Advance]:
        """Do what `counting` does; if a terminal shows the results, only until the first one."""
        return self._until_written() if self.stdout_is_terminal else self.counting(name, total)

    @contextmanager
    def _until_written(self) -> Iterator[Advance]:
        self.begin_waiting("Computing…")
        try:
            yield silent
        finally:
            self.end_waiting()

    def begin_waiting(self, message: str) -> None:
        """Show a message on a terminal from a second on, until anything else is written."""
        if self._can_redraw:
            Waiting.begin(self._stderr, self._styled(visible(message), DIM))

    def end_waiting(self) -> None:
        """Erase the message of `begin_waiting`, if it is shown."""
        Waiting.end()

    @property
    def _can_redraw(self) -> bool:
        return self.stderr_is_terminal and not (self.quiet or self._dumb)

    def _bar(self, name: str, total: int | None, done: int) -> AbstractContextManager[Advance]:
        drawn = bar(self._stderr, name, total, done, coloured=self._colours_allowed)
        return self._as_drawn_bar(drawn)

    @contextmanager
    def _as_drawn_bar(self, drawn: AbstractContextManager[Advance]) -> Iterator[Advance]:
        self.end_waiting()
        with drawn as advance:
            self._bar_is_drawn = True
            try:
                yield advance
            finally:
                self._bar_is_drawn = False

    @property
    def _width(self) -> int:
        """Columns for text: those of the terminal, within what is readable."""
        return min(max(self.columns or DEFAULT_WIDTH, 20), MAX_WIDTH)

    def _readable(self, text: str) -> str:
        """Return a text as one line, and for a terminal as `write` will show it."""
        text = one_line(text)
        return visible(text) if self.stdout_is_terminal else text

    def _styled(self, text: str, style: str) -> str:
        return style + text + _PLAIN if style and text and self._colours_allowed else text

    def _say(self, message: str, style: str, label: str = "") -> None:
        """Write a message as one line, which is wrapped at words on a terminal."""
        self.end_waiting()
        message = label + one_line(message)
        if self.stderr_is_terminal:
            message = paragraph(visible(message), columns_of(self._stderr) or DEFAULT_WIDTH)
            styled = label.rstrip() or message
            message = self._styled(styled, style) + message[len(styled) :]
        above_the_bar = ERASE_LINE if self._bar_is_drawn else b""
        line = f"{message}\n".encode(errors="backslashreplace")
        self._stderr.write(above_the_bar + line)


def _received(read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except OSError as error:
        raise _cannot_read(error) from None


def _cannot_read(error: OSError) -> DistilError:
    return DistilError(
        f"Can't read standard input: {error.strerror}.", "Check where it comes from."
    )
