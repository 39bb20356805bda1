"""A run: parts are read, computed on all cores that there are, and committed, each once."""

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice

from ..errors import DistilError
from .computing import PartComputer
from .folder import OutputFolder
from .job import Cluster, Done, Job
from .parts import Part, cut
from .reading import RowReader
from .session import connected

_MOST_PASSES = 3  # without a new part


def computed_parts(job: Job, cluster: Cluster, token: str) -> Generator[Done, None, None]:
    """Yield each part when it is committed, in whatever order; close it to stop.

    Ray is not started for a single part, nor for a single process of this machine.

    Args:
        job: what is computed.
        cluster: who computes it.
        token: of the output folder, as `OutputFolder.begin` gave it.

    Raises:
        DistilError: a part can't be computed or written, the input can't be read to its end, or
            the cluster can't be used. All parts that were yielded stay committed.
    """
    if cluster.address is None and (cluster.workers == 1 or _is_one_part(job)):
        yield from _computed_here(job)
        return
    with connected(cluster):
        yield from _Run(job, cluster, token).parts()


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


class _Run:
    def __init__(self, job: Job, cluster: Cluster, token: str) -> None:
        import ray

        from .actor import Assignment, Attempts, versions
        from .dataset import on_this_node
        from .delivery import delivered

        attempts = ray.remote(Attempts).options(**on_this_node()).remote()
        files = tuple(delivered(job.task.files, sent=cluster.address is not None))
        self._cluster = cluster
        self._job = job
        self._assignment = Assignment(job, token, files, attempts, versions())
        self._seen = _Numbers()

    def parts(self) -> Iterator[Done]:
        """Yield all parts; where Ray gives up, begin again, which finds what is committed."""
        from ray.exceptions import RayError

        passes = 0
        while True:
            try:
                for done in self._pass():
                    passes = 0
                    yield done
                return
            except RayError as error:
                passes += 1
                if passes == _MOST_PASSES:
                    raise DistilError(
                        f"Ray gave up {passes} times: {type(error).__name__}.",
                        "Look for the reason in Ray's logs; what is done is kept, and --resume"
                        " goes on.",
                    ) from error

    def _pass(self) -> Iterator[Done]:
        from .actor import done_of, error_of
        from .dataset import results

        at_the_end: DistilError | None = None
        with closing(results(self._assignment, self._cluster, self._job.task.memory)) as found:
            for result in found:
                error = error_of(result)
                if error is None:
                    done = done_of(result)
                    if self._seen.add(done.number):
                        yield done
                elif "last" in result:
                    at_the_end = error
                else:
                    raise error
        if at_the_end:
            raise at_the_end


class _Numbers:
    """Numbers of parts that were yielded: a bit for each, as there may be millions."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> bool:
        """Take note of a number, and return whether it is new."""
        place, bit = number >> 3, 1 << (number & 7)
        self._bits.extend(bytes(max(place + 1 - len(self._bits), 0)))
        is_new = not self._bits[place] & bit
        self._bits[place] |= bit
        return is_new
