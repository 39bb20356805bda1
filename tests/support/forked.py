"""``distil`` many times, each in a child of one process that has it imported.

That is the fork server wherever it can be, which has started already. Else it is:

python -m tests.support.forked FOLDER < runs.json: each run is an object with the arguments and the
environment, and gives an object with status, output and errors.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.run import FORK_SERVER, TIMEOUT, run


class Run(NamedTuple):
    """A run to make: its arguments, and what its environment has besides the common one.

    Its output and errors go to these devices, such as ``/dev/full``, or else into the result.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] = {}
    stdin: str = ""
    stdout: str | None = None
    stderr: str | None = None


class Result(NamedTuple):
    """How a run ended."""

    status: int
    output: str
    errors: str


def run_all(
    runs: Sequence[Run], env: Mapping[str, str], folder: Path, launcher: Sequence[str] = ()
) -> list[Result]:
    """Make all runs, in order, by a process that a launcher may start, and return their ends."""
    if not launcher and all(_is_plain(each, env) for each in runs):
        return [_by_fork_server(each, env) for each in runs]
    process = subprocess.run(
        [*launcher, sys.executable, "-m", "tests.support.forked", str(folder)],
        env=env,
        input=json.dumps(runs),
        capture_output=True,
        text=True,
        timeout=10 * TIMEOUT,
    )
    assert process.returncode == 0, process.stderr
    return [Result(*each) for each in json.loads(process.stdout)]


def _is_plain(each: Run, env: Mapping[str, str]) -> bool:
    return FORK_SERVER.imitates({**env, **each.environment}) and not (each.stdout or each.stderr)


def _by_fork_server(each: Run, env: Mapping[str, str]) -> Result:
    stdin = each.stdin.encode(errors="surrogateescape")
    made = run(*each.arguments, env={**env, **each.environment}, stdin=stdin)
    output, errors = (text.decode(errors="replace") for text in (made.stdout, made.stderr))
    return Result(made.returncode, output, errors)


def _main() -> None:
    from tests.fuzz import child

    common = dict(os.environ)
    folder, results = Path(sys.argv[1]), []
    for wanted in (Run(*each) for each in json.load(sys.stdin)):
        os.environ.clear()
        os.environ.update({**common, **wanted.environment})
        done = child.run(
            wanted.arguments,
            folder,
            wanted.stdin.encode(errors="surrogateescape"),
            stdout=Path(wanted.stdout) if wanted.stdout else None,
            stderr=Path(wanted.stderr) if wanted.stderr else None,
        )
        results.append(Result(done.status, done.output.decode(errors="replace"), done.errors))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    _main()
