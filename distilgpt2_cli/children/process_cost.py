"""What starting ``distil`` costs on this machine, as a process of its own.

    python -m distilgpt2_cli.children.process_cost COMMAND ...

runs a command and prints its cost as JSON.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import DistilError

_KILOBYTE = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss: see getrusage(2)


class ProcessCost(NamedTuple):
    """What a process costs.

    Attributes:
        first_byte_seconds: from its start to its first byte of output.
        peak_bytes: resident memory at its largest, a mapped model file included.
    """

    first_byte_seconds: float
    peak_bytes: int


def run_process(command: list[str]) -> ProcessCost:
    """Run a command that writes to standard output, and see what it costs.

    It is started by a small process between: a process's peak memory begins with that of the
    process that started it.

    Raises:
        DistilError: it fails.
    """
    between = [sys.executable, "-m", __name__, *command]
    result = subprocess.run(between, stdin=subprocess.DEVNULL, capture_output=True)
    if result.returncode != 0:
        raise DistilError(
            f"A run of distil ended with status {result.returncode}.",
            f"Run it alone: {' '.join(command)}.",
        )
    return ProcessCost(*json.loads(result.stdout))


def one_token_command(model: Path, arguments: Sequence[str]) -> list[str]:
    """Return a command that generates a single token, with further options."""
    command = [sys.executable, "-m", "distilgpt2_cli", "generate", "--model", str(model)]
    return [*command, *arguments, "--seed", "0", "--max-tokens", "1", "Once upon a time"]


def _main() -> int:
    start = time.perf_counter()
    with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        seconds = time.perf_counter() - start
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps(ProcessCost(seconds, usage.ru_maxrss * _KILOBYTE)))
    return process.returncode


if __name__ == "__main__":
    sys.exit(_main())
