"""A run in a child of a fork server, to be waited for as one that `subprocess` has started."""

import io
import os
import signal
import socket
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

NUMBER = struct.Struct("!i")


class ForkedProcess:
    """A process that a fork server has started, and reports the end of.

    Attributes:
        pid: its number.
        returncode: its exit status, negative for a signal, once it is known that it has ended.
        stdin: always None.
        stdout: the reading end of its standard output, if that is a pipe.
        stderr: that of its standard error.
    """

    def __init__(
        self,
        run: socket.socket,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """Have the socket of the run and descriptors of pipes, and close them after the block."""
        self.returncode: int | Any = None
        self.stdin: io.BufferedWriter | None = None
        self.stdout = None if stdout is None else io.BufferedReader(io.FileIO(stdout))
        self.stderr = None if stderr is None else io.BufferedReader(io.FileIO(stderr))
        self._run = run
        self.pid = self._reported(None)

    def __enter__(self) -> "ForkedProcess":
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the pipes, and wait for the end."""
        for pipe in (self.stdout, self.stderr):
            if pipe:
                pipe.close()
        self.wait()
        self._run.close()

    def poll(self) -> int | None:
        """Return the exit status if it has ended."""
        if self.returncode is None:
            try:
                self.returncode = self._reported(0)
            except (TimeoutError, BlockingIOError):
                return None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return its exit status."""
        if self.returncode is None:
            try:
                self.returncode = self._reported(timeout)
            except TimeoutError:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
        return int(self.returncode)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM, unless it has ended."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Read what is left in both pipes, and wait for the end."""
        assert self.stdout
        assert self.stderr
        with ThreadPoolExecutor(2) as pool:
            reading = [pool.submit(pipe.read) for pipe in (self.stdout, self.stderr)]
            if wait(reading, timeout).not_done:
                self.kill()
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            output, errors = (each.result() for each in reading)
        self.wait(timeout)
        return output, errors

    def _reported(self, timeout: float | None) -> int:
        """Return the next number that the server sends; it sends each whole."""
        self._run.settimeout(timeout)
        data = self._run.recv(NUMBER.size)
        assert len(data) == NUMBER.size, "the fork server has ended"
        return int(NUMBER.unpack(data)[0])
