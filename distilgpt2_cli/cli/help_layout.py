"""Help that fits the terminal: its lines end between words, by the rule of all other texts."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.core import TyperCommand

from ..terminal.layout import DEFAULT_WIDTH, MAX_WIDTH, fields, paragraph
from ..terminal.output import columns_of
from .optional_values import with_values

_MIN_WIDTH = 40
# A word of a shell command, with the spaces that are quoted in it.
_SHELL_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")
_CONTINUED = " \\"


def help_width() -> int:
    """Return the columns for help: of the terminal, or of that on which a pager shows it.

    COLUMNS is used instead if it is set.
    """
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and len(wanted) <= 4:
        return _within_limits(int(wanted))
    known = (columns_of(stream) for stream in (sys.stdout, sys.stderr) if stream)
    return _within_limits(next(filter(None, known), DEFAULT_WIDTH))


def _within_limits(columns: int) -> int:
    return min(max(columns, _MIN_WIDTH), MAX_WIDTH)


_Formatter: Any = typer.Context.formatter_class


class HelpFormatter(_Formatter):  # type: ignore[misc]
    """Lays out what typer writes as help."""

    def write_text(self, text: str) -> None:
        """Write paragraphs; one that begins with ``\\b`` has commands, and keeps its lines."""
        indent = " " * self.current_indent
        width = self.width - self.current_indent
        parts = [_laid_out(part, width) for part in text.strip("\n").split("\n\n")]
        lines = "\n\n".join(parts).split("\n")
        self.write("\n".join((indent + line).rstrip() for line in lines) + "\n")

    def write_dl(
        self,
        rows: Sequence[tuple[str, str]],
        col_max: int = 30,  # noqa: ARG002
        col_spacing: int = 2,  # noqa: ARG002
    ) -> None:
        """Write names, such as those of options, and what each is."""
        self.write(fields(list(rows), self.width) + "\n")


class _Context(typer.Context):
    formatter_class = HelpFormatter


class Command(TyperCommand):
    """A command whose help fits the terminal, and with options whose value can be left out."""

    context_class = _Context

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, of which some may leave out a value."""
        return super().parse_args(ctx, with_values(args, self.params))


def _laid_out(part: str, width: int) -> str:
    if not part.startswith("\b"):
        return paragraph(" ".join(part.split()), width)
    lines = part.removeprefix("\b\n").split("\n")
    return "\n".join(each for line in lines for each in _command_lines(line, width))


def _command_lines(line: str, width: int) -> Iterator[str]:
    """Yield a line; one that is too long continues after a backslash, as a shell reads it."""
    if len(line) <= width:
        yield line
        return
    indent = line[: len(line) - len(line.lstrip())]
    first, *words = _SHELL_WORD.findall(line)
    begun = indent + first
    for number, word in enumerate(words, 1):
        end = _CONTINUED if number < len(words) else ""
        if len(f"{begun} {word}{end}") > width:
            yield begun + _CONTINUED
            begun = f"{indent}    {word}"
        else:
            begun += f" {word}"
    yield begun
