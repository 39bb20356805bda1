"""The program as a person runs it: another process, with pipes or a terminal, in a clean home."""

import fcntl
import io
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from tests.support.fork_server import ForkServer
from tests.support.forked_process import ForkedProcess

DISTIL = (sys.executable, "-m", "distilgpt2_cli")
WITHOUT_LINKS = (sys.executable, "-m", "tests.support.no_links")
# Threads that wait asleep: those that spin, as they do by default, slow each other down by ten
# times and more when something else runs on the same cores. NumPy's do too, and nothing needs them.
PATIENT_THREADS = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1"}
TIMEOUT = 300  # seconds, for what hangs: a run on a busy machine may take many times longer
COMMON = {"LANG": "C.UTF-8", **PATIENT_THREADS}
FORK_SERVER = ForkServer(COMMON)
_FORK_SERVERS = {(): FORK_SERVER, WITHOUT_LINKS: ForkServer(COMMON, launcher=WITHOUT_LINKS)}
Process: TypeAlias = subprocess.Popen[bytes] | ForkedProcess


def environment(home: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a run: nothing of the caller's but the search path."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
        **COMMON,
        **changes,
    }


def with_distil(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return an environment in which ``distil`` is found, in this folder."""
    program = folder / "distil"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m distilgpt2_cli "$@"\n')
    program.chmod(0o755)
    return {**env, "PATH": os.pathsep.join([str(folder), env["PATH"]])}


def run(
    *arguments: str | bytes,
    env: Mapping[str, str],
    stdin: bytes = b"",
    launcher: tuple[str, ...] = (),
    fresh: bool = False,
    folder: Path = Path(),
) -> subprocess.CompletedProcess[bytes]:
    """Run ``distil`` in a folder, by itself or through a launcher, with pipes to its end.

    By itself, or without links, it runs in a child of a process that has it imported, which saves
    most of a start. A variable that such a child can't imitate makes it start a new Python, and so
    does ``fresh``: for tests of what is imported, of memory or the end of Python, and for limits
    and a umask that the test sets, as the server has those of its own start.
    """
    command = [*launcher, *DISTIL, *arguments]
    server = None if fresh else _FORK_SERVERS.get(launcher)
    if server is None or not server.imitates(env):
        return subprocess.run(
            command, env=env, input=stdin, capture_output=True, timeout=TIMEOUT, cwd=folder
        )
    end = server.run(arguments, env, stdin, TIMEOUT, folder)
    return subprocess.CompletedProcess(command, *end)


@contextmanager
def started(
    *arguments: str,
    env: Mapping[str, str],
    stdin: bytes = b"",
    launcher: tuple[str, ...] = (),
    fresh: bool = False,
) -> Iterator[Process]:
    """Start ``distil`` with pipes, and kill it at the end of the block if it still runs.

    It is a child of the fork server where one of `run` is, with its input as a pipe to its end.
    """
    server = None if fresh else _FORK_SERVERS.get(launcher)
    if server and server.imitates(env):
        to_child, forked = server.piped(arguments, env)
        with forked:
            try:
                with to_child:
                    _write_all(to_child, stdin)
                yield forked
            finally:
                forked.kill()
        return
    with subprocess.Popen(
        [*launcher, *DISTIL, *arguments],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None  # or communicate() would flush it
        try:
            yield process
        finally:
            process.kill()


class Screen:
    """A pseudo-terminal with a program on it."""

    def __init__(self, process: Process, descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self.output = b""

    def type(self, keys: bytes) -> None:
        """Press keys; ``b"\\x03"`` is Ctrl-C."""
        os.write(self._descriptor, keys)

    def resize(self, columns: int, rows: int = 24) -> None:
        """Make the terminal this large; its foreground process gets SIGWINCH."""
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def hang_up(self) -> int:
        """Take the terminal away, as a lost connection does, and return the exit status."""
        self.close()
        return self._process.wait(TIMEOUT)

    def close(self) -> None:
        """Close the terminal, if it is not closed yet."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def read(self, deadline: float) -> bytes:
        """Return what comes next, nothing at the end; ``deadline`` is one of time.monotonic()."""
        known = len(self.output)
        self._read(deadline)
        return self.output[known:]

    def attributes(self) -> list[object]:
        """Return how the terminal is set: see tcgetattr(3)."""
        return termios.tcgetattr(self._descriptor)

    def wait_for(self, text: bytes) -> None:
        """Read until the output holds a text."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.output:
            assert self._read(deadline), f"{text!r} never came: {self.output!r}"

    def wait(self) -> int:
        """Read to the end and return the exit status."""
        deadline = time.monotonic() + TIMEOUT
        while self._read(deadline):
            pass
        return self._process.wait(TIMEOUT)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], deadline - time.monotonic())
        assert ready, f"no end after {TIMEOUT} s: {self.output!r}"
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # the other end is closed
            return False
        self.output += data
        return bool(data)


@contextmanager
def terminal(
    *arguments: str,
    env: Mapping[str, str],
    columns: int = 80,
    program: tuple[str, ...] = DISTIL,
    fresh: bool = False,
) -> Iterator[Screen]:
    """Run a program on a pseudo-terminal of its own, as the foreground of its session.

    ``distil`` is a child of the fork server where one of `run` is.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {"TERM": "xterm-256color", **env}
    process: Process
    if program == DISTIL and not fresh and FORK_SERVER.imitates(env):
        streams = (theirs, theirs, theirs)
        process = ForkedProcess(FORK_SERVER.start(arguments, env, streams, leads_session=True))
    else:
        process = subprocess.Popen(
            [*program, *arguments],
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
    with process:
        os.close(theirs)
        screen = Screen(process, ours)
        try:
            yield screen
        finally:
            process.kill()
            screen.close()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _write_all(to_child: io.FileIO, stdin: bytes) -> None:
    rest = memoryview(stdin)
    while rest:
        rest = rest[to_child.write(rest) :]
