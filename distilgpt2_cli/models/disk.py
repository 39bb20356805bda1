"""A disk that refuses to be written."""

import errno
from pathlib import Path

from ..errors import DistilError


def cannot_write(error: OSError, folder: Path) -> DistilError:
    """Return the failure as a person should read it; ``folder`` is where the file was to go."""
    where = error.filename or folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "Free some space, or choose another folder with HF_HOME or --to."
    else:
        remedy = "Choose another folder with HF_HOME or --to."
    return DistilError(f"{where} can't be written: {error.strerror}.", remedy)
