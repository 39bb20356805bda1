"""``distil help``: the help of the program, or of one command."""

from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  distil help
  distil help generate
"""


def _complete(incomplete: str) -> list[tuple[str, str]]:
    from .app import COMMANDS

    return [(name, text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]


def help_command(
    command: Annotated[
        str | None,
        typer.Argument(metavar="COMMAND", help="Name of a command.", autocompletion=_complete),
    ] = None,
) -> None:
    """Show the help of distil, or of a command."""
    from .app import make_app

    words = [] if command is None else [command]
    make_app()([*words, "--help"], prog_name="distil", standalone_mode=False)
