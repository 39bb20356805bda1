"""``distil verify``: checks downloaded files against their hashes."""

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
  distil verify Q8_0 --json | jq .state
"""


def verify(
    *,
    which: CacheOptions,
    repair: Annotated[bool, typer.Option("--repair", help="Download damaged files again.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check downloaded files against their hashes.

    The hashes are those of distil's catalog, or those in the names of the Hugging Face cache's
    files. Only --repair needs a network.
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
            "Run the same command with --repair.",
        )


def _show(
    terminal: Terminal, reference: ModelReference, file: ModelFile, state: str, json: bool
) -> None:
    if json:
        record = {"quantization": reference.quantization, **model_record(file), "size": file.size}
        terminal.write_json(record | {"state": state})
    else:
        terminal.write_line(f"{reference.quantization}: {state}: {file.path}")
