"""Files that a command writes for its user: never over another file, and never incomplete."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import DistilError, UsageError
from .models.disk import cannot_write, private_folder


def check_new_file(path: Path, endings: Sequence[str], *, force: bool) -> None:
    """Make sure, before the work, that a file can be written.

    Raises:
        UsageError: its name has another ending.
        DistilError: the file exists and ``force`` is false, or its folder does not exist.
    """
    if path.suffix not in endings:
        known = f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise UsageError(f"{path} must end in {known}.", "Change the name of the file.")
    if os.path.lexists(path) and not force:
        raise DistilError(
            f"{path} already exists.", "Use another name, or overwrite it with --force."
        )
    if not path.parent.is_dir():
        raise DistilError(f"The folder {path.parent} does not exist.", "Create it first.")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; the file appears at ``path`` when the block succeeds.

    Raises:
        DistilError: the file can't be written.
    """
    try:
        with private_folder(path.parent) as private:
            part = private / path.name
            yield part
            part.replace(path)
    except OSError as error:
        raise cannot_write(error, path.parent) from error
