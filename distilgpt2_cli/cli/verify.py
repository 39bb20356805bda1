"""``distil verify``: whether what is downloaded is still what it was."""

from typing import Annotated

import typer

from ..errors import ModelDamagedError
from ..models import ModelFile, ModelReference, download, is_intact
from ..terminal import Terminal
from ..terminal.progress import CHECK
from .shared.cached_files import chosen
from .shared.model_options import CacheOptions
from .shared.options import Json, Quiet
from .shared.record import model_record

EXAMPLES = """\b
Examples:
  distil verify
  distil verify --all --repair
  distil verify --quant Q8_0 --json | jq .state
"""


def verify(
    *,
    which: CacheOptions,
    repair: Annotated[
        bool, typer.Option("--repair", help="Download again what is damaged.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check downloaded files against their hashes.

    The hashes are those of distil's catalog, or those under which the Hugging Face cache keeps
    its files. No network is needed but for --repair.
    """
    terminal = Terminal.system(quiet=quiet)
    damaged: list[ModelReference] = []
    for reference, file in chosen(terminal, which):
        with terminal.progress(file.name, file.size, CHECK) as advance:
            intact = is_intact(reference, file, advance)
        if intact is False and repair:
            again = download(reference, progress=terminal.progress, notice=terminal.notice)
            _show(terminal, reference, again, "repaired", json)
            continue
        if intact is False:
            damaged.append(reference)
        state = {True: "intact", False: "damaged", None: "unknown"}[intact]
        _show(terminal, reference, file, state, json)
    if damaged:
        names = ", ".join(reference.quantization for reference in damaged)
        raise ModelDamagedError(
            f"Damaged: {names}.",
            f"Run `{damaged[0].download_command}`, or verify again with --repair.",
        )


def _show(
    terminal: Terminal, reference: ModelReference, file: ModelFile, state: str, json: bool
) -> None:
    if json:
        record = {"quantization": reference.quantization, **model_record(file), "size": file.size}
        terminal.write_json(record | {"state": state})
    else:
        terminal.write(f"{reference.quantization}: {state}: {file.path}\n")
