"""``distil import``: makes a GGUF file of a fine-tuned model, without PyTorch."""

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer

from ...children.quantizing import quantize
from ...engine.quantizations import known_quantization
from ...errors import DistilError, UsageError
from ...files import new_file, place_beside
from ...importing.checkpoint import Checkpoint
from ...models import imported, local
from ...models.catalog import DEFAULT_QUANTIZATION
from ...models.choice import QUANT_VARIABLE
from ...terminal import Terminal
from ...terminal.progress import QUANTIZE, Action
from ..shared.extras import check_extra
from ..shared.model_options import quant_option
from ..shared.options import Json, Quiet
from ..shared.record import model_record
from .source import SourceOptions

EXAMPLES = """\b
Examples:
  distil import my-model/
  distil import my-model/ --quant Q4_K_M --quant Q8_0 --name poet
  distil import OWNER/NAME --revision main
  distil generate --model poet --quant Q8_0 "Shall I"
  distil import my-adapter/
"""
READ = Action("Reading", "Read")

_ADAPTER = "lora"
_OTHER_FOLDER = "Choose another folder with XDG_DATA_HOME."


def import_model(
    *,
    source: SourceOptions,
    quant: Annotated[
        list[str] | None,
        quant_option("Quantization (case-insensitive); can be repeated.", DEFAULT_QUANTIZATION),
    ] = None,
    separate_output: Annotated[
        bool,
        typer.Option(
            "--separate-output",
            help="Store the output matrix beside the embedding, as DistilGPT2's own files do.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a model of the same name.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Import a fine-tuned GPT-2, or a LoRA adapter for one, and print the paths of its files.

    SOURCE is a folder that transformers or PEFT has written, a .safetensors file in such a folder,
    or a repository on the Hub. PyTorch is not needed. Other commands take the model by its name:
    --model NAME, or --lora NAME for an adapter. distil models lists it, distil remove removes it.
    """
    terminal = Terminal.system(quiet=quiet)
    check_extra(
        "import",
        "distil import",
        ["safetensors", "gguf", "ml_dtypes"],
        ["safetensors", "gguf", "ml_dtypes"],
    )
    named = quant or [os.environ.get(QUANT_VARIABLE) or DEFAULT_QUANTIZATION]
    labels = list(dict.fromkeys(map(known_quantization, named)))
    name = source.model_name
    imported.check_name(name)
    imported.check_home(os.environ)
    if imported.files(os.environ, name) and not force:
        raise DistilError(
            f"{name} was imported before.", "Use another --name, or replace it with --force."
        )
    checkpoint, origin = source.find(terminal)
    if checkpoint.is_adapter and (quant or separate_output):
        raise UsageError("An adapter is not quantized.", "Leave out --quant and --separate-output.")
    from ...importing.reading import opened

    with opened(checkpoint, origin, separate_output=separate_output) as readable:
        for notice in readable.notices:
            terminal.notice(notice)
        targets = _targets(name, labels, checkpoint)
        parent = next(iter(targets.values())).parent
        try:
            with place_beside(parent / f"{name}.gguf", _OTHER_FOLDER) as folder:
                whole = folder / "whole.gguf"
                with terminal.progress(origin.name, readable.size, READ) as advance:
                    readable.write(whole, advance)
                _make(terminal, whole, folder, targets)
                _replace(folder, targets, force=force)
        finally:
            with suppress(OSError):
                parent.rmdir()
    for label, path in targets.items():
        if json:
            file = local(path)
            terminal.write_json({"quantization": label, **model_record(file), "size": file.size})
        else:
            terminal.write(f"{path}\n")
    option = "--lora" if checkpoint.is_adapter else "--model"
    terminal.notice(f"Use it with {option} {name}.")


def _targets(name: str, labels: list[str], checkpoint: Checkpoint) -> dict[str | None, Path]:
    """Return the files to make, by their quantizations, or by None for an adapter."""
    if checkpoint.is_adapter:
        return {None: imported.adapter_file(os.environ, name)}
    return {label: imported.model_file(os.environ, name, label) for label in labels}


def _make(terminal: Terminal, whole: Path, folder: Path, targets: dict[str | None, Path]) -> None:
    """Make all files in a private folder, each of the whole one."""
    notices = dict[str, None]()
    for label, path in targets.items():
        if label is None:
            whole.rename(folder / path.name)
            continue
        size = whole.stat().st_size
        with terminal.progress(path.name, size, QUANTIZE) as advance:
            found = quantize(whole, folder / path.name, label, advance=advance)
        notices |= dict.fromkeys(found)
    for notice in notices:
        terminal.notice(notice)


def _replace(folder: Path, targets: dict[str | None, Path], *, force: bool) -> None:
    """Put complete files in their places; with ``force``, no other file of the model stays."""
    name = next(iter(targets.values())).parent.name
    old = set(imported.files(os.environ, name).values()) if force else set()
    with ExitStack() as stack:
        for path in targets.values():
            new = stack.enter_context(new_file(path, force=force, remedy=_OTHER_FOLDER))
            (folder / path.name).replace(new)
    for path in old - set(targets.values()):
        path.unlink(missing_ok=True)
