"""A module of distil run as another process, which is told by a connection what to do."""

import subprocess
import sys
from multiprocessing.connection import Connection, Pipe
from typing import Any


def started(module: str) -> "tuple[subprocess.Popen[bytes], Connection[Any, Any]]":
    """Start a module, whose argument is the descriptor of its end of a connection.

    It has none of the standard streams: nothing that a library prints reaches a person.

    Args:
        module: its full name, as after ``python -m``.

    Returns:
        The process, and the other end.

    Raises:
        OSError: the system gives no further process or file.
    """
    connection, other = Pipe()
    with other:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except BaseException:
            connection.close()
            raise
    return process, connection
