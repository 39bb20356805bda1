"""Options that may stand alone, or before one of their values: ``--lines`` and ``--lines json``.

typer has no such options. One is declared with an optional value as its metavar and with a type
that lists the values, and what stands alone gets the first of them before typer parses it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

OPTIONAL_FORMAT = "[FORMAT]"
"""The metavar of an option whose value is a format, and may be left out."""


def with_values(arguments: Sequence[str], parameters: Sequence[Any]) -> list[str]:
    """Return the arguments of a command, where no option lacks a value that may be left out.

    Args:
        arguments: those after the command's name.
        parameters: typer's objects for the options and arguments of the command.
    """
    options = [each for each in parameters if each.param_type_name == "option"]
    values = {
        name: tuple(each.type.choices)
        for each in options
        if each.metavar == OPTIONAL_FORMAT
        for name in each.opts
    }
    needing = {name for each in options if not each.is_flag for name in each.opts} - values.keys()
    return list(_filled_in(arguments, values, needing)) if values else list(arguments)


def _filled_in(
    arguments: Sequence[str], values: dict[str, tuple[str, ...]], needing: set[str]
) -> Iterator[str]:
    rest = iter(arguments)
    held = next(rest, None)
    while held is not None:
        argument, held = held, next(rest, None)
        if argument == "--":
            break
        if argument in values and held not in values[argument]:
            yield f"{argument}={values[argument][0]}"
            continue
        yield argument
        if held is not None and (argument in values or argument in needing):
            yield held
            held = next(rest, None)
    else:
        return
    yield from ("--", *([] if held is None else [held]), *rest)
