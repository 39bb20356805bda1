"""Cores for an actor that no other actor of this machine has, whoever has started it."""

import fcntl
import os
import tempfile
from pathlib import Path

from ..engine.llama.cores import core_groups, stay_on


def stay_on_free_cores(threads: int) -> set[int]:
    """Let this process run on the first cores that no other process has taken so, and return them.

    They are taken until the process ends. Where there are none left, or the system can't tell,
    it may run anywhere.

    Args:
        threads: how many physical cores.
    """
    for cores in core_groups(threads):
        if all(map(_take, sorted(cores))):
            stay_on(cores)
            return cores
    return set()


_taken: dict[int, int] = {}  # the descriptors that hold the locks, by core


def _take(core: int) -> bool:
    if core in _taken:
        return True
    path = Path(tempfile.gettempdir()) / f"distil-core-{core}.{os.getuid()}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _taken[core] = descriptor
    return True
