"""The Typer app: wires the commands together and does nothing else."""

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from .. import __version__
from .shared.groups import flattened

EXAMPLES = """\b
Examples:
  distil generate "Once upon a time"
  echo "The meaning of life is" | distil generate --seed 42
  distil download --quant Q4_K_M
  distil next "The capital of France is"
  distil score "The cat sat on the mat."
"""

# In the order of the help: the command, and its module, which has a function of the same name.
COMMANDS = {
    "generate": "generate",
    "write": "write",
    "replay": "replay",
    "next": "next_tokens",
    "score": "score",
    "perplexity": "perplexity",
    "features": "features",
    "probe": "probe",
    "tokenize": "tokenize",
    "serve": "serve",
    "info": "info",
    "download": "download",
    "models": "models",
    "verify": "verify",
    "remove": "remove",
    "bench": "bench",
    "doctor": "doctor",
}


def make_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the app with the command that the arguments name, or else with all of them.

    Importing only the command that runs is a large part of a quick start.
    """
    app = typer.Typer(
        help="Generate text with DistilGPT2 and llama.cpp, in a shell pipe.",
        epilog=EXAMPLES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(distil)
    for name in [name for name in COMMANDS if name in arguments[:1]] or COMMANDS:
        module = import_module(f".{COMMANDS[name]}", __package__)
        app.command(name, epilog=module.EXAMPLES)(flattened(getattr(module, COMMANDS[name])))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"distil {__version__}")
        raise typer.Exit


def distil(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Generate text with DistilGPT2."""
