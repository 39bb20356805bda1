r"""Escapes in texts that options take, such as ``\n`` for a line end."""

import re
from typing import Annotated

import typer

from ...errors import UsageError
from .texts import argument_text

ESCAPES = {"n": "\n", "t": "\t", "|": "|", "\\": "\\"}
"""What follows a backslash, and the text that both stand for."""

_PART = re.compile(r"\\.?|\||[^\\|]+", re.DOTALL)

NoEscape = Annotated[
    bool,
    typer.Option("--no-escape", help=r"Keep \n, \t, \| and \\ in options as they are written."),
]


def option_texts(value: str, option: str, *, literal: bool, separator: str = "") -> list[str]:
    r"""Return the texts that the value of an option stands for.

    Args:
        value: as it was given.
        option: its name, for error messages.
        literal: a backslash stands for itself.
        separator: ``|`` if that separates texts, unless a backslash stands before it.

    Raises:
        DistilError: the value is not UTF-8.
        UsageError: a backslash stands before something else than in `ESCAPES`.
    """
    value = argument_text(value, option)
    if literal:
        return value.split(separator) if separator else [value]
    texts = [""]
    for part in _PART.findall(value):
        if part == separator:
            texts.append("")
        else:
            texts[-1] += _meaning(part, option) if part[0] == "\\" else part
    return texts


def _meaning(escape: str, option: str) -> str:
    found = ESCAPES.get(escape[1:])
    if found is None:
        what = f"the unknown escape {escape}" if escape[1:] else "a single \\ at its end"
        raise UsageError(f"{option} has {what}.", r"Write \\ for a backslash, or use --no-escape.")
    return found
