"""``distil`` in children of a process that has everything imported: many runs in little time."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import distilgpt2_cli.cli.app
import distilgpt2_cli.cli.generate
import distilgpt2_cli.cli.generate.output
import distilgpt2_cli.engine.session  # noqa: F401
from distilgpt2_cli import __main__ as program

TIMEOUT = 300  # seconds


class Outcome(NamedTuple):
    """How a run ended; ``status`` is negative for a signal."""

    status: int
    seconds: float
    output: bytes
    errors: str


def run(
    arguments: Sequence[str],
    folder: Path,
    stdin: bytes = b"",
    prepare: Callable[[], object] = bool,
    timeout: int = TIMEOUT,
    *,
    stdout: Path | None = None,
    stderr: Path | None = None,
) -> Outcome:
    """Run ``distil`` with its streams connected to files in a folder, or to these devices.

    ``prepare`` is called in the child when they are, and may change them.
    """
    paths = [folder / "stdin", stdout or folder / "stdout", stderr or folder / "stderr"]
    paths[0].write_bytes(stdin)
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _become_distil(arguments, paths, prepare, timeout)
    _, wait_status = os.waitpid(child, 0)
    seconds = time.monotonic() - start
    status = os.waitstatus_to_exitcode(wait_status)
    output = b"" if stdout else paths[1].read_bytes()
    errors = "" if stderr else paths[2].read_text(errors="replace")
    return Outcome(status, seconds, output, errors)


def _become_distil(
    arguments: Sequence[str],
    paths: Sequence[Path],
    prepare: Callable[[], object],
    timeout: int,
) -> None:
    status = 99
    try:
        for descriptor, path in enumerate(paths):
            flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags), descriptor)
        signal.alarm(timeout)
        prepare()
        sys.argv = ["distil", *arguments]
        status = program._run()
    finally:
        os._exit(status)


def reopen_streams(*, buffered: bool = True) -> None:
    """Make Python's streams anew of the descriptors 0, 1 and 2, as it does when it starts."""
    sys.stdin, sys.stdout, sys.stderr = (
        _stream(descriptor, buffered=buffered) for descriptor in range(3)
    )


def _stream(descriptor: int, *, buffered: bool) -> io.TextIOWrapper | None:
    try:
        os.fstat(descriptor)
    except OSError:
        return None
    raw = io.FileIO(descriptor, "r" if descriptor == 0 else "w", closefd=False)
    if descriptor == 0:
        return io.TextIOWrapper(io.BufferedReader(raw), "utf-8")
    errors = "strict" if descriptor == 1 else "backslashreplace"
    binary = io.BufferedWriter(raw) if buffered else raw
    return io.TextIOWrapper(binary, "utf-8", errors, write_through=not buffered)
