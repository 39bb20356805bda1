"""The modes of files, which bind everybody but root: a run that they bind, also for root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_AS_OTHERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def bound_by_modes() -> tuple[str, ...]:
    """Return a launcher of programs that may do what the modes of files allow, and nothing else."""
    if os.geteuid() != 0:
        return ()
    try:
        subprocess.run([*_AS_OTHERS, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to give up rights")
    return _AS_OTHERS


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    """Give a file or folder a mode until the block ends."""
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)
