"""Packages that only some commands need, and that are installed with an extra."""

from collections.abc import Sequence
from importlib.util import find_spec

from ...errors import DistilError


def check_extra(extra: str, user: str, packages: Sequence[str], modules: Sequence[str]) -> None:
    """Make sure that an extra is installed.

    Args:
        extra: its name.
        user: the command or option that needs it.
        packages: what its packages are called in the error.
        modules: what they are imported by.

    Raises:
        DistilError: one is missing; the remedy is the command that installs the extra.
    """
    if all(map(find_spec, modules)):
        return
    from ...machine.installation import extra_command

    are, them = ("is", "it") if len(packages) == 1 else ("are", "them")
    raise DistilError(
        f"{user} needs {' and '.join(packages)}, which {are} not installed.",
        f"Install {them} with: {extra_command(extra)}",
    )
