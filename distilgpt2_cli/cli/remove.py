"""``distil remove``: frees the space of downloaded and imported files."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from ..errors import DistilError, ModelUnavailableError, UsageError
from ..models import ModelFile, imported, local
from ..models import remove as remove_from_cache
from ..terminal import Terminal
from ..units import format_bytes
from .shared.cached_files import chosen_with_parts
from .shared.model_options import CacheOptions
from .shared.options import Json, Quiet

EXAMPLES = """\b
Examples:
  distil remove Q8_0
  distil remove --all --yes
  distil remove --model my-model
"""


@dataclass(frozen=True)
class _Options(CacheOptions):
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="An imported model or adapter.",
            show_default=False,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse options that exclude each other."""
        super().__post_init__()
        if self.model is not None and (self.repo or self.revision or self.every):
            raise UsageError(
                "--model can't be combined with --repo, --revision or --all.", "Use one of them."
            )


def remove(
    *,
    which: _Options,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove downloaded files from the Hugging Face cache, or imported models.

    Only model files and parts of them are removed, with folders that are empty then; data that
    another revision in the cache shares is kept. Without --yes, distil asks before it removes each
    file. With --all and without --revision, files of all revisions are removed.
    """
    terminal = Terminal.system(quiet=quiet)
    freed = 0
    if which.model is not None:
        for label, file in _imported(which, which.model):
            if yes or terminal.ask(f"Remove {file.name} ({format_bytes(file.size)})?"):
                freed += _remove(
                    terminal, file, label, json, lambda each: imported.remove(each.path)
                )
        terminal.notice(f"Freed {format_bytes(freed)}.")
        return
    found, parts = chosen_with_parts(terminal, which)
    several = len({file.revision for _, file in found}) > 1
    for reference, file in found:
        place = f" of revision {file.revision[:12]}" if several and file.revision else ""
        if yes or terminal.ask(f"Remove {file.name}{place} ({format_bytes(file.size)})?"):
            freed += _remove(terminal, file, reference.quantization, json)
    for file in parts:
        if yes or terminal.ask(f"Remove the incomplete {file.name} ({format_bytes(file.size)})?"):
            freed += _remove(terminal, file, None, json)
    terminal.notice(f"Freed {format_bytes(freed)}.")


def _imported(options: CacheOptions, name: str) -> list[tuple[str | None, ModelFile]]:
    """Return the files of an imported model, or those of the quantizations that the options name.

    Raises:
        ModelUnavailableError: there is no such model, or it lacks a quantization.
    """
    found = imported.files(os.environ, name)
    if not found:
        raise ModelUnavailableError(f"{name} was not imported.", "Run `distil models`.")
    wanted = [each.upper() for each in options.names or options.quant or ()]
    for label in wanted:
        if label not in found:
            raise ModelUnavailableError(
                f"{name} was not imported as {label}.", "Run `distil models`."
            )
    return [(label, local(path)) for label, path in found.items() if label in (wanted or found)]


def _remove(
    terminal: Terminal,
    file: ModelFile,
    quantization: str | None,
    json: bool,
    remove_file: Callable[[ModelFile], int] = remove_from_cache,
) -> int:
    """Remove a file, report it, and return how many bytes this frees."""
    try:
        count = remove_file(file)
    except OSError as error:
        raise DistilError(
            f"Can't remove {file.path}: {error.strerror}.",
            "Check the owner and the permissions of the file.",
        ) from None
    if file.path.exists():  # a part that is locked
        terminal.notice(f"{file.name} is being downloaded, and was kept.")
    elif json:
        record = {"quantization": quantization, "name": file.name}
        terminal.write_json(record | {"path": str(file.path), "freed": count})
    else:
        terminal.write(f"{file.path}\n")
    return count
