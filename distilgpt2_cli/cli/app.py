"""The Typer app: wires the commands together and does nothing else."""

from typing import Annotated

import typer

from .. import __version__
from . import bench, download, generate, info, models, remove, verify

EXAMPLES = """\b
Examples:
  distil generate "Once upon a time"
  echo "The meaning of life is" | distil generate --seed 42
  distil download --quant Q4_K_M
  distil models
"""

app = typer.Typer(
    help="DistilGPT2 text in a shell pipe, on llama.cpp.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=generate.EXAMPLES)(generate.generate)
app.command(epilog=download.EXAMPLES)(download.download)
app.command(epilog=models.EXAMPLES)(models.models)
app.command(epilog=verify.EXAMPLES)(verify.verify)
app.command(epilog=remove.EXAMPLES)(remove.remove)
app.command(epilog=bench.EXAMPLES)(bench.bench)
app.command(epilog=info.EXAMPLES)(info.info)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"distil {__version__}")
        raise typer.Exit


@app.callback()
def distil(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Continue texts with DistilGPT2."""
