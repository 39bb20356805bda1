"""What an actor does: it opens the task once, and computes and commits the parts that it gets."""

import atexit
import json
import os
import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import DistilError, ExitStatus
from ..failures import explained
from .computing import PartComputer
from .delivery import Delivered, placed
from .folder import OutputFolder
from .job import Done, Job
from .numbers import Numbers
from .parts import decode
from .pinning import stay_on_free_cores

if TYPE_CHECKING:
    import pyarrow

MOST_ATTEMPTS = 10
"""How often a part may be begun: a row that ends the process each time must not do so for ever."""


@dataclass(frozen=True)
class Assignment:
    """All that an actor needs to know.

    Attributes:
        job: what is computed.
        token: of the output folder, which tells it from another one at the same place elsewhere.
        files: those of the task.
        attempts: the actor that counts how often each part was begun.
        versions: of distil and of llama.cpp, where the run was started.
        settings: variables of the environment there, for the file systems.
    """

    job: Job
    token: str
    files: tuple[Delivered, ...]
    attempts: Any
    versions: tuple[str, ...]
    settings: Mapping[str, str]


class Attempts:
    """Counts how often each part was begun; an actor itself."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: dict[int, int] = {}
        self._begun = Numbers()
        self._actors = self._fruitless = 0

    def add_actor(self) -> None:
        """Take note that an actor has begun."""
        self._actors += 1
        self._fruitless += 1

    def actors(self) -> int:
        """Return how many actors have begun."""
        return self._actors

    def fruitless(self) -> int:
        """Return how many actors have begun since a part was done."""
        return self._fruitless

    def begin(self, number: int) -> tuple[int, bool]:
        """Return how often a part was begun since it was done, and whether it never was before."""
        self._counts[number] = self._counts.get(number, 0) + 1
        return self._counts[number], self._begun.add(number)

    def end(self, number: int) -> None:
        """Forget a part that is done."""
        self._counts.pop(number, None)
        self._fruitless = 0


class PartActor:
    """Computes parts; Ray Data makes as many of it as there are cores.

    Nothing is raised but by Ray itself, which would try it again: what goes wrong is a result.
    """

    def __init__(self, assignment: Assignment) -> None:
        """Open the task."""
        end_at_once()
        assignment.attempts.add_actor.remote()
        os.environ.update(assignment.settings)
        self._assignment = assignment
        self._fault: DistilError | None = None
        self._stack = ExitStack()
        try:
            self._computer = self._open()
        except Exception as error:
            self._fault = explained(error)

    def __call__(self, block: "pyarrow.Table") -> "pyarrow.Table":
        """Compute the part in a row of `block_of_part`, and return what became of it."""
        row = block.to_pylist()[0]
        try:
            done = json.loads(row["fault"]) if row["fault"] else self._done(row)
        except Exception as error:
            done = fault(explained(error))
        return block_of_result(done)

    def _open(self) -> PartComputer:
        from ..engine.llama.bindings import features

        assignment = self._assignment
        self._processor = features()
        if (found := versions()) != assignment.versions:
            raise DistilError(
                f"The machine {platform.node()} has {', '.join(found)}, and the run was begun with"
                f" {', '.join(assignment.versions)}.",
                "Install the same versions on all machines.",
            )
        folder = OutputFolder(assignment.job.output)
        folder.check(assignment.token)
        self._cores = stay_on_free_cores(assignment.job.task.threads)
        places = placed(assignment.files, os.environ)
        work = self._stack.enter_context(assignment.job.task.moved(places).open())
        return PartComputer(assignment.job, folder, work)

    def _done(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._fault:
            return fault(self._fault)
        import ray

        attempts, number = self._assignment.attempts, row["number"]
        part = decode(row["data"])
        attempt, is_first = ray.get(attempts.begin.remote(number))
        if attempt > MOST_ATTEMPTS:
            first, last = part.rows[0].number, part.rows[-1].number
            raise DistilError(
                f"The process that computes rows {first} to {last} ended {MOST_ATTEMPTS} times"
                " without a result, as for want of memory.",
                "Use fewer workers, a lower --parallel, or machines with more memory.",
            )
        done = self._computer.done(part)
        attempts.end.remote(number)
        again = done.again and is_first  # or an actor of this run has ended before it said so
        return {"done": asdict(replace(done, again=again, processor=self._processor))}


def end_at_once() -> None:
    """Let this process of Ray end without its last cleaning up.

    In Ray 2.60, that can wait for itself for ever (`~CoreWorkerProcessImpl`), with all memory and
    the lock of a core. By then the process has nothing left to tell anybody.
    """
    atexit.register(os._exit, 0)


def versions() -> tuple[str, ...]:
    """Return what must be the same on all nodes, for people."""
    from ..engine import versions

    return (f"distil {__version__}", f"llama.cpp {versions()['llama_cpp']}")


def fault(error: DistilError) -> dict[str, Any]:
    """Return an error as a result."""
    return {"fault": [error.what, error.remedy, int(error.status), error.origin]}


def error_of(result: dict[str, Any]) -> DistilError | None:
    """Return the error that is a result; None if it is none."""
    if "fault" not in result:
        return None
    what, remedy, status, origin = result["fault"]
    error = DistilError(what, remedy)
    error.status, error.origin = ExitStatus(status), origin
    return error


def done_of(result: dict[str, Any]) -> Done:
    """Return the part that is a result."""
    return Done(**result["done"])


def block_of_part(number: int, data: bytes, fault: str = "") -> "pyarrow.Table":
    """Return what travels to an actor: a part, or an error of the reader that stands after it.

    It is a single row, so that Ray Data can't divide it.
    """
    import pyarrow

    return pyarrow.table({"number": [number], "data": [data], "fault": [fault]})


def block_of_result(result: dict[str, Any]) -> "pyarrow.Table":
    """Return what travels back."""
    import pyarrow

    return pyarrow.table({"result": [json.dumps(result)]})
