"""``distil download``: fetches model files from the Hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..files import own_path
from ..models import ModelReference, Plan, available, download_to, plan
from ..models import download as download_to_cache
from ..terminal import Terminal
from ..units import format_bytes
from .shared.model_options import CacheOptions
from .shared.options import Json, Quiet
from .shared.record import file_record

EXAMPLES = """\b
Examples:
  distil download
  distil download Q2_K Q8_0
  distil download --all --dry-run
  distil download q6_k --to models/
  distil download --repo OWNER/NAME --revision main --quant Q4_K_M
  distil generate --model "$(distil download --quiet)" "Once upon a time"
"""


@dataclass(frozen=True)
class _Options(CacheOptions):
    every: Annotated[bool, typer.Option("--all", help="All quantizations in the repository.")] = (
        False
    )


def download(
    *,
    which: _Options,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=own_path,
            help="Download into this folder.",
            show_default="the Hugging Face cache",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Download again; with --to, overwrite an existing file."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show files, sizes and what is downloaded already."),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download model files and print their paths.

    Each file is checked against the hash that the Hub reports and, at the commit that distil
    knows, against distil's catalog. A file that is downloaded and intact is not requested again
    without --force, even if its branch has changed. A download that was interrupted is resumed.
    In other repositories, the file is found by the quantization in its name.
    """
    terminal = Terminal.system(quiet=quiet)
    if which.every:
        references = available(which.repository, which.revision, notice=terminal.notice)
    else:
        references = which.references()
    if dry_run:
        _show_plans(
            terminal,
            [(each, plan(each, to, notice=terminal.notice)) for each in references],
            json=json,
        )
        return
    for reference in references:
        if to is None:
            file = download_to_cache(
                reference, progress=terminal.progress, notice=terminal.notice, force=force
            )
        else:
            file = download_to(
                reference, to, progress=terminal.progress, notice=terminal.notice, force=force
            )
        if json:
            quantization = {"quantization": reference.quantization}
            terminal.write_json({**quantization, **file_record(file), "size": file.size})
        else:
            terminal.write(f"{file.path}\n")


def _show_plans(
    terminal: Terminal, plans: list[tuple[ModelReference, Plan]], *, json: bool
) -> None:
    if json:
        for reference, planned in plans:
            terminal.write_json(_plan_record(reference, planned))
        return
    terminal.write_table(
        ("QUANT", "FILE", "SIZE", "DOWNLOADED"),
        [
            (
                reference.quantization,
                planned.remote.name,
                format_bytes(planned.remote.size),
                "yes" if planned.file else "no",
            )
            for reference, planned in plans
        ],
    )


def _plan_record(reference: ModelReference, planned: Plan) -> dict[str, Any]:
    return {
        "quantization": reference.quantization,
        "name": planned.remote.name,
        "path": str(planned.file.path) if planned.file else None,
        "repository": reference.repository,
        "revision": planned.remote.revision,
        "sha256": planned.remote.sha256,
        "size": planned.remote.size,
        "downloaded": planned.file is not None,
    }
