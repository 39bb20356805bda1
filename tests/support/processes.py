"""Other processes: what they are fed, and when they have come to where a signal is to meet them."""

import ctypes
import fcntl
import os
import subprocess
import termios
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .run import TIMEOUT

_SLICE = 0.02  # seconds between two looks
_PAUSE = 0.2  # seconds between two looks at all memory, which take longer


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(_SLICE)


def wait_for_work(process: int, seconds: float = 1.5) -> None:
    """Wait until a process has used so much more processor time; it takes far less to start."""
    enough = processor_seconds(process) + seconds
    wait_until(lambda: processor_seconds(process) > enough)


def wait_until_asleep(process: int) -> None:
    """Wait until the main thread of a process has waited in the kernel for a while."""
    asleep = 0

    def is_asleep() -> bool:
        nonlocal asleep
        state = _status(process)[0]
        assert state != "Z", "it has ended"
        asleep = asleep + 1 if state == "S" else 0
        return asleep == 10

    wait_until(is_asleep)


def wait_until_full(reading_end: int) -> None:
    """Wait until a pipe holds so much that its writer will soon wait for the reader."""
    most = fcntl.fcntl(reading_end, fcntl.F_GETPIPE_SZ)
    held = ctypes.c_int()

    def is_full() -> bool:
        fcntl.ioctl(reading_end, termios.FIONREAD, held)
        return held.value > most // 2

    wait_until(is_full)


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has used."""
    return sum(map(int, _status(process)[11:13])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(process: int, file: str, *fields: str) -> int:
    """Return the sum of fields of a file in ``/proc/PID`` that are in kB of 1,024 bytes."""
    lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    sizes = dict(line.split(":", 1) for line in lines if ":" in line)
    return sum(int(sizes[field].split()[0]) for field in fields) * 1024


def descendants(process: int) -> Iterator[int]:
    """Yield the processes that a process has started and that have not ended, and theirs."""
    children: dict[int, list[int]] = defaultdict(list)
    for number in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()):
        with suppress(OSError):  # it has ended
            children[int(_status(number)[1])].append(number)
    waiting = children[process]
    while waiting:
        number = waiting.pop()
        waiting += children[number]
        yield number


def peak_memory(command: Sequence[str]) -> int:
    """Run a command, and return the most bytes that it and all that it starts had at once.

    A page that several of them have in memory counts once.
    """
    most = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            found = 0
            for number in (process.pid, *descendants(process.pid)):
                with suppress(OSError, KeyError):  # it has ended
                    found += memory_bytes(number, "smaps_rollup", "Pss")
            most = max(most, found)
            time.sleep(_PAUSE)
    assert process.returncode == 0
    return most


def _status(process: int) -> list[str]:
    """Return the fields of proc_pid_stat(5) from the third one, the state, on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


@contextmanager
def fed_by_yes(
    command: Sequence[str], env: Mapping[str, str], line: str = "Hello there"
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program whose standard input has a line without end; all its output is piped."""
    with (
        subprocess.Popen(["yes", line], stdout=subprocess.PIPE) as source,
        subprocess.Popen(
            command,
            env=env,
            stdin=source.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        assert source.stdout
        source.stdout.close()
        try:
            yield process
        finally:
            source.kill()
