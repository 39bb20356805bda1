"""All commands with hostile variables, options, files, streams and limits: never a surprise.

python -m tests.fuzz.surroundings [COUNT [SEED [SLOW]]]

SLOW 0 leaves out the commands that take seconds.
"""

import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpcore2  # noqa: F401
import httpx2  # noqa: F401

import distilgpt2_cli.engine.evaluate.evaluator
import distilgpt2_cli.engine.evaluate.perplexity
import distilgpt2_cli.engine.evaluate.scoring  # noqa: F401
from distilgpt2_cli.cli.app import COMMANDS, load_command
from distilgpt2_cli.cli.doctor import checks
from distilgpt2_cli.errors import ExitStatus
from distilgpt2_cli.models import demo
from distilgpt2_cli.models.catalog import DEFAULT_QUANTIZATION, REPOSITORY, REVISION, entry
from tests.fuzz import hostile
from tests.fuzz.child import Outcome, run
from tests.fuzz.verdict import OTHER_FAULT, Verdict, numbers
from tests.support.run import environment

TIMEOUT = 30  # seconds of a run, before it is taken to hang
STATUSES = {int(each) for each in ExitStatus}
SIGPIPE, SIGALRM = -13, -14
INPUTS = (
    b"", b"\n", b"Hi\n", b"Hi there\n\nagain\n", b"caf\xe9\n", b"\0\n", b"\xef\xbb\xbfHi\n",
    b"1 2 3", b"{}\n", b'{"prompt": "Hi"}\n', b"a" * 4000,
)  # fmt: skip
OF_TIME = ("bench", "doctor", "perplexity")  # print times, which differ


class Case(NamedTuple):
    """A run in surroundings."""

    arguments: Sequence[str]
    variables: dict[str, str]
    stdin: bytes
    streams: str | None
    limit: str | None

    def __str__(self) -> str:
        """All that is needed to run it again."""
        shown = " ".join(each[:60] for each in self.arguments)
        where = ", ".join(filter(None, (self.streams, self.limit)))
        return ascii(f"distil {shown} {self.variables} < {self.stdin[:30]!r} ({where})")[1:-1]


def draw(rng: random.Random, command_lines: Sequence[Sequence[str]]) -> Case:
    """Return a case: a command line with some of each kind of trouble, often with none."""
    arguments = list(rng.choice(command_lines))
    if rng.random() < 0.5 and arguments:
        arguments[1:1] = hostile.draw_options(rng, arguments[0])
    names = rng.sample(list(hostile.VARIABLES), rng.choice((0, 0, 1, 1, 2, 4)))
    return Case(
        arguments,
        {name: rng.choice(hostile.VARIABLES[name]) for name in names},
        rng.choice(INPUTS),
        rng.choice(list(hostile.STREAMS)) if rng.random() < 0.3 else None,
        rng.choice(list(hostile.LIMITS)) if rng.random() < 0.3 else None,
    )


class Machine:
    """A folder with files and a home, in which cases are run."""

    def __init__(self, folder: Path) -> None:
        """Make the home in an empty folder; a cache in it has the default model."""
        self._folder = folder
        home = folder / "home"
        self._environment = environment(home, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9")
        repository = Path(home, "huggingface/hub", f"models--{REPOSITORY.replace('/', '--')}")
        model = repository / "snapshots" / REVISION / entry(DEFAULT_QUANTIZATION).name
        model.parent.mkdir(parents=True)
        model.symlink_to(demo().path)
        self._model = model

    def run(self, case: Case) -> Outcome:
        """Run a case among new files."""
        work = self._folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        hostile.make_files(work)
        if not self._model.is_symlink():  # it was removed, and its folders with it
            self._model.parent.mkdir(parents=True, exist_ok=True)
            self._model.symlink_to(demo().path)

        def prepare() -> None:
            os.environ.clear()
            os.environ.update(self._environment | case.variables)
            os.chdir(work)
            hostile.surround(case.streams, case.limit)

        return run(case.arguments, self._folder, case.stdin, prepare, TIMEOUT)


def judge(case: Case, outcome: Outcome, machine: Machine, verdict: Verdict) -> None:
    """Take note of what is wrong with a run."""
    status, _, output, errors = outcome
    if status == SIGPIPE and case.streams == "stdout has no reader":
        return
    if status == SIGALRM:
        verdict.add(OTHER_FAULT, f"{case}: did not end")
        return
    verdict.judge_end(status, errors, str(case))
    if status >= 0 and status not in STATUSES:
        verdict.add(OTHER_FAULT, f"{case}: status {status}: {errors[-300:]!r}")
    if "Warning" in errors or "secret" in errors:
        verdict.add(OTHER_FAULT, f"{case}: {errors[-300:]!r}")
    if status in (1, 3, 4) and _is_shown(case) and "Error: " not in errors:
        verdict.add(OTHER_FAULT, f"{case}: status {status} without a reason: {errors[-300:]!r}")
    if status == 0:
        _judge_output(case, output, machine, verdict)


def _is_shown(case: Case) -> bool:
    """Return whether an error can be seen; where typer finds no reader, it prints none."""
    hidden = ("stderr", "all", "stdout has no reader")
    return not (case.streams or "").startswith(hidden) and case.limit != "files of 100 bytes"


def _judge_output(case: Case, output: bytes, machine: Machine, verdict: Verdict) -> None:
    """Take note of output that is not complete, though the status says so."""
    if "_DISTIL_COMPLETE" in case.variables or "--help" in case.arguments:
        return
    if case.streams or case.limit:
        expected = machine.run(case._replace(streams=None, limit=None)).output
        is_lost = (case.streams or "").startswith("stdout")
        differs = _comparable(case, output) != _comparable(case, expected)
        if expected and (is_lost or differs) and not _reads_what_differs(case):
            verdict.add(OTHER_FAULT, f"{case}: status 0 with {output[-100:]!r}")
    if "--json" in case.arguments and not _is_json_lines(output):
        verdict.add(OTHER_FAULT, f"{case}: {output[-100:]!r} is not lines of JSON")


def _comparable(case: Case, output: bytes) -> bytes | int:
    """Return what is the same in each run: not the times that some commands print."""
    has_times = "--json" in case.arguments or case.arguments[:1] in [[each] for each in OF_TIME]
    return output.count(b"\n") if has_times else output


def _is_json_lines(output: bytes) -> bool:
    try:
        for line in output.splitlines():
            json.loads(line)
    except ValueError:
        return False
    return output.isascii() and (not output or output.endswith(b"\n"))


def _reads_what_differs(case: Case) -> bool:
    """Return whether other surroundings mean another input, and so another output."""
    return (case.streams or "").startswith(("stdin", "all")) or case.limit == "a deleted folder"


def fuzz(count: int, seed: int, slow: int) -> Verdict:
    """Try so many surroundings; return what went wrong."""
    for command in COMMANDS:
        load_command(command)  # once, and not in each child
    checks._SECONDS = 0.05
    rng = random.Random(seed)
    statuses: Counter[int] = Counter()
    verdict = Verdict()
    lines = [*hostile.COMMAND_LINES * 3, *(hostile.SLOW_COMMAND_LINES if slow else ())]
    slowest = (0.0, "")
    with tempfile.TemporaryDirectory() as name:
        machine = Machine(Path(name))
        for _ in range(count):
            case = draw(rng, lines)
            outcome = machine.run(case)
            statuses[outcome.status] += 1
            slowest = max(slowest, (outcome.seconds, str(case)))
            judge(case, outcome, machine, verdict)
    table = ", ".join(f"status {status}: {number}" for status, number in statuses.most_common())
    print(f"surroundings tried: {count} ({table}), slowest {slowest[0]:.1f} s: {verdict}")
    print(f"slowest: {slowest[1]}")
    return verdict


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    fuzz(*numbers(1500, 0, 1)).end()


if __name__ == "__main__":
    main()
