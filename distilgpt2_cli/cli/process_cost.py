"""What starting ``distil`` costs on this machine, as a process of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from ..errors import DistilError

_KILOBYTE = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss: see getrusage(2)


class ProcessCost(NamedTuple):
    """Seconds from the start of a process to its first byte of output, and its peak memory.

    Attributes:
        first_byte_seconds: the model being in the page cache.
        peak_bytes: resident memory at its largest, the mapped model file included.
    """

    first_byte_seconds: float
    peak_bytes: int


def run_process(command: list[str]) -> ProcessCost:
    """Run a command that writes to standard output, and see what it costs.

    Raises:
        DistilError: it fails.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        seconds = time.perf_counter() - start
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise DistilError(
            f"A run of distil ended with status {process.returncode}.",
            f"Run it by itself: {' '.join(command)}.",
        )
    return ProcessCost(seconds, usage.ru_maxrss * _KILOBYTE)


def one_token_command(model: Path, threads: str) -> list[str]:
    """Return a command that generates a single token."""
    command = [sys.executable, "-m", "distilgpt2_cli", "generate", "--model", str(model)]
    return [*command, "--threads", threads, "--seed", "0", "--max-tokens", "1", "Once upon a time"]
