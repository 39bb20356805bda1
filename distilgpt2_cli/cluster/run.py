"""A run: parts are read, computed on all cores that there are, and committed, each once."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice

from ..errors import DistilError
from .computing import PartComputer
from .driver import messages
from .folder import OutputFolder
from .job import Cluster, Done, Job, Request
from .numbers import Numbers
from .parts import Part, cut
from .reading import RowReader
from .session import NoClusterError

_MOST_PASSES = 3  # without a new part


def computed_parts(
    job: Job, cluster: Cluster, token: str, notice: Callable[[str], None]
) -> Generator[Done, None, None]:
    """Yield each part when it is committed, in whatever order; close it to stop.

    Ray is not started for a single part, nor for a single process of this machine.

    Args:
        job: what is computed.
        cluster: who computes it.
        token: of the output folder, as `OutputFolder.begin` gave it.
        notice: takes sentences for a person.

    Raises:
        DistilError: a part can't be computed or written, the input can't be read to its end, or
            the cluster can't be used. All parts that were yielded stay committed.
    """
    if cluster.address is None and (cluster.workers == 1 or _is_one_part(job)):
        yield from _computed_here(job)
        return
    yield from _computed_by_ray(Request(job, cluster, token, job.task.memory), notice)


def _parts(job: Job) -> Iterator[Part]:
    return cut(RowReader(job.inputs), job.task.chunk_texts, job.part_rows)


def _is_one_part(job: Job) -> bool:
    """Look whether there is a second part; an input that can't be read is found out later."""
    try:
        return len(list(islice(_parts(job), 2))) < 2
    except DistilError:
        return True


def _computed_here(job: Job) -> Iterator[Done]:
    with job.task.open() as work:
        computer = PartComputer(job, OutputFolder(job.output), work)
        yield from map(computer.done, _parts(job))


def _computed_by_ray(request: Request, notice: Callable[[str], None]) -> Iterator[Done]:
    """Yield all parts; where Ray gives up, begin again, which finds what is committed."""
    seen, passes, lost, kind = Numbers(), 0, False, "lost"
    while kind == "lost":
        with closing(messages(request)) as found:
            for kind, value in found:
                if kind == "done" and seen.add(value.number):
                    passes = 0
                    # After a pass that was lost, it may be that pass that has committed the part.
                    yield replace(value, again=value.again and not lost)
                elif kind == "notice":
                    notice(value)
                elif kind == "error" and passes and isinstance(value, NoClusterError):
                    raise DistilError(value.what, "Start it again, then go on with --resume.")
                elif kind == "error":
                    raise value
        passes, lost = passes + 1, True
        if kind == "lost" and passes == _MOST_PASSES:
            raise DistilError(
                f"Ray gave up {passes} times: {value}.",
                "Look for the reason in Ray's logs; what is done is kept, and --resume goes on.",
            )
