"""``distil`` in children of a process that has everything imported: many runs in little time."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import distilgpt2_cli.cli.app
import distilgpt2_cli.cli.generate
import distilgpt2_cli.cli.generate.views
import distilgpt2_cli.engine.session  # noqa: F401
from distilgpt2_cli import __main__ as program

TIMEOUT = 300  # seconds


class Outcome(NamedTuple):
    """How a run ended; ``status`` is negative for a signal."""

    status: int
    seconds: float
    output: bytes
    errors: str


def run(arguments: Sequence[str], folder: Path, stdin: bytes = b"") -> Outcome:
    """Run ``distil`` with its streams connected to files in a folder."""
    paths = [folder / name for name in ("stdin", "stdout", "stderr")]
    paths[0].write_bytes(stdin)
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _become_distil(arguments, paths)
    _, wait_status = os.waitpid(child, 0)
    seconds = time.monotonic() - start
    status = os.waitstatus_to_exitcode(wait_status)
    return Outcome(status, seconds, paths[1].read_bytes(), paths[2].read_text(errors="replace"))


def _become_distil(arguments: Sequence[str], paths: Sequence[Path]) -> None:
    status = 99
    try:
        for descriptor, path in enumerate(paths):
            flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags), descriptor)
        signal.alarm(TIMEOUT)
        sys.argv = ["distil", *arguments]
        status = program._run()
    finally:
        os._exit(status)
