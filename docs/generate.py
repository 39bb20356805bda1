"""Writes ``cli.md`` and ``distil.1`` from the app's own help; with ``--check``, compares them."""

import os
import sys
from pathlib import Path

from manual import manual
from typer.testing import CliRunner

from distilgpt2_cli.cli.app import every_command, make_app

FOLDER = Path(__file__).parent

INTRODUCTION = """\
# Command reference

Generated from the program's help by `make docs`. Do not edit this page: change the help.
"""


def help_text(*command: str) -> str:
    """Return what ``distil COMMAND --help`` prints on a terminal of 100 columns."""
    result = CliRunner().invoke(
        make_app(),
        [*command, "--help"],
        prog_name="distil",
        terminal_width=100,
        max_content_width=100,
    )
    assert result.exit_code == 0, result.output
    return result.output.rstrip()


def reference() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION]
    for command in ((), *every_command()):
        title = " ".join(("distil", *command))
        parts.append(f"## `{title}`\n\n```text\n{help_text(*command)}\n```\n")
    return "\n".join(parts)


def main() -> None:
    """Write the pages, or exit with 1 if one differs from the current help."""
    os.environ["NO_COLOR"] = "1"
    for path, page in ((FOLDER / "cli.md", reference()), (FOLDER / "distil.1", manual())):
        if sys.argv[1:] != ["--check"]:
            path.write_text(page, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != page:
            sys.exit(f"{path.name} is out of date: run make docs")


if __name__ == "__main__":
    main()
