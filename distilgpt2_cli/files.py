"""Files that a command writes for its user: never over another one, and never half."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import DistilError, UsageError
from .models.disk import cannot_write, private_folder


def check_new_file(path: Path, endings: Sequence[str], *, force: bool) -> None:
    """See to it, before the work, that a file can be written.

    Raises:
        UsageError: its name has none of the endings.
        DistilError: it exists and is not to be replaced, or its folder does not exist.
    """
    if path.suffix not in endings:
        known = f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise UsageError(f"{path} has none of the known endings.", f"Use {known}.")
    if os.path.lexists(path) and not force:
        raise DistilError(f"{path} exists.", "Move it away, or replace it with --force.")
    if not path.parent.is_dir():
        raise DistilError(f"{path.parent} is no folder.", "Make it, or name another place.")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; the file appears under its own when the block ends well.

    Raises:
        DistilError: it can't be written.
    """
    try:
        with private_folder(path.parent) as private:
            part = private / path.name
            yield part
            part.replace(path)
    except OSError as error:
        raise cannot_write(error, path.parent) from error
