"""``distil remove``: frees the space of downloaded files."""

from typing import Annotated

import typer

from ..errors import DistilError
from ..models import remove as remove_from_cache
from ..terminal import Terminal
from ..units import format_bytes
from .shared.cached_files import chosen
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

    Only model files are removed, and data that another revision in the cache shares is kept.
    Without --yes, distil asks before it removes each file.
    """
    terminal = Terminal.system(quiet=quiet)
    freed = 0
    for reference, file in chosen(terminal, which):
        if not yes and not terminal.ask(f"Remove {file.name} ({format_bytes(file.size)})?"):
            continue
        try:
            count = remove_from_cache(file)
        except OSError as error:
            raise DistilError(
                f"Can't remove {file.path}: {error.strerror}.",
                "Check the owner and the permissions of the file.",
            ) from None
        freed += count
        if json:
            record = {"quantization": reference.quantization, "name": file.name}
            terminal.write_json(record | {"path": str(file.path), "freed": count})
        else:
            terminal.write(f"{file.path}\n")
    terminal.notice(f"Freed {format_bytes(freed)}.")
