"""``distil help``: the help of the program, or of one command."""

from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  distil help
  distil help generate
  distil help map generate
"""


def _complete(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from .app import commands_of

    table = commands_of(ctx.params.get("command") or ())
    return [(name, text) for name, (_, text) in table.items() if name.startswith(incomplete)]


def help_command(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND...",
            help="Name of a command, after that of its group if it is in one.",
            show_default=False,
            autocompletion=_complete,
        ),
    ] = None,
) -> None:
    """Show the help of distil, or of a command."""
    from .app import commands_of, make_app
    from .usage import unknown_command

    words = command or []
    for count, word in enumerate(words):
        commands = commands_of(words[:count])
        if word not in commands:
            raise unknown_command(words[count:], commands, " ".join(("distil", *words[:count])))
    make_app()([*words, "--help"], prog_name="distil", standalone_mode=False)
