"""Cores for an actor that no other actor on this machine has, whoever has started it."""

import fcntl
import os
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ..engine.llama.cores import core_groups, stay_on


def stay_on_free_cores(threads: int) -> ExitStack | None:
    """Let this process run on cores only that no other process has taken so.

    Where none are left, or the system can't tell, it may go on running anywhere.

    Args:
        threads: how many physical cores.

    Returns:
        What gives them back when it is closed, or when the process ends; None without cores.
    """
    for cores in core_groups(threads):
        taken = _taken(cores)
        if taken:
            stay_on(cores)
            return taken
    return None


def _taken(cores: Iterable[int]) -> ExitStack | None:
    """Lock a file for each core; None, and no locks, if another process has one of them."""
    with ExitStack() as stack:
        for core in cores:
            path = Path(tempfile.gettempdir()) / f"distil-core-{core}.lock"
            try:
                descriptor = _opened(path)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return None
        return stack.pop_all()


def _opened(path: Path) -> int:
    """Open a file that other users lock, too; a system may refuse to make one that is theirs."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        return os.open(path, flags | os.O_CREAT, 0o644)
