"""``distil remove``: frees the space of downloaded files."""

from typing import Annotated

import typer

from ..errors import DistilError
from ..models import ModelFile
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
"""


def remove(
    *,
    which: CacheOptions,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove downloaded files from the Hugging Face cache.

    Only model files and parts of them are removed, with folders that are empty then; data that
    another revision in the cache shares is kept. Without --yes, distil asks before it removes each
    file. With --all and without --revision, files of all revisions are removed.
    """
    terminal = Terminal.system(quiet=quiet)
    found, parts = chosen_with_parts(terminal, which)
    freed = 0
    several = len({file.revision for _, file in found}) > 1
    for reference, file in found:
        place = f" of revision {file.revision[:12]}" if several and file.revision else ""
        if yes or terminal.ask(f"Remove {file.name}{place} ({format_bytes(file.size)})?"):
            freed += _remove(terminal, file, reference.quantization, json)
    for file in parts:
        if yes or terminal.ask(f"Remove the incomplete {file.name} ({format_bytes(file.size)})?"):
            freed += _remove(terminal, file, None, json)
    terminal.notice(f"Freed {format_bytes(freed)}.")


def _remove(terminal: Terminal, file: ModelFile, quantization: str | None, json: bool) -> int:
    """Remove a file, report it, and return how many bytes this frees."""
    try:
        count = remove_from_cache(file)
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
