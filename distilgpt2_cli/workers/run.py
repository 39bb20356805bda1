"""The work of a command: done here, or by worker processes where they make it faster."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from ..engine.llama.cores import available_bytes, core_groups, usable_cores
from ..engine.llama.placement import Placement
from .tasks import Source, Task, Work

if TYPE_CHECKING:
    from .pool import Pool

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_WORTH_CHUNKS = 4  # chunks that take longer than the start of processes


@dataclass(frozen=True)
class Workers:
    """How many processes may do the work.

    Attributes:
        count: so many; None for as many as this machine has cores and memory for.
        threads: of each process; None for one, or for all cores if there is one process only.
    """

    count: int | None = 1
    threads: int | None = None

    @property
    def may_be_several(self) -> bool:
        """Whether there may be more than one process."""
        return (self.count or self._cores) > 1

    @property
    def chunks(self) -> int:
        """How many chunks must be there before processes are started."""
        return 1 if self.count else _WORTH_CHUNKS

    def for_task(self, task: Task[_Item, _Result]) -> int:
        """Return how many processes to use for a task, whose model is loaded for that.

        Raises:
            DistilError: the model can't be loaded.
        """
        if self.count:
            return self.count
        needs, free = task.needs(), available_bytes()
        if needs.device:
            return 1
        return max(self._cores if free is None else min(self._cores, free // needs.memory), 1)

    @property
    def _cores(self) -> int:
        return usable_cores() // (self.threads or 1)


class Run(Generic[_Item, _Result]):
    """A task and the source of its items; a context manager that frees what it uses.

    Attributes:
        placement: where the layers of the model are.
        processes: how many processes have computed.
    """

    def __init__(self, task: Task[_Item, _Result], source: Source[_Item], workers: Workers) -> None:
        """Open nothing yet.

        Nothing is started for work that is small, or whose items come one by one: the results are
        the same.
        """
        self.placement = Placement()
        self._task = task
        self._source = source
        self._workers = workers
        self._stack = ExitStack()
        self._work: Work[_Item, _Result] | None = None
        self._pool: Pool[_Item, _Result] | None = None
        self._ended = False

    @property
    def processes(self) -> int:
        """How many processes have computed at once."""
        return self._pool.started if self._pool else 1

    def __enter__(self) -> "Run[_Item, _Result]":
        """Load the model, here or in a worker.

        Raises:
            DistilError: the model can't be loaded, or has no memory for its context.
        """
        if not self._open_pool():
            self._work = self._stack.enter_context(self._task.open())
            self.placement = self._work.placement
        elif self._pool:
            self.placement = self._pool.placement
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Free the model, and end the workers."""
        self._stack.__exit__(kind, error, traceback)

    def results(self) -> Iterator[_Result]:
        """Yield the results of all items in their order.

        Raises:
            DistilError: as the task does.
        """
        while self._work and not self._ended:
            yield from self._work.results(self._chunk())
            if not self._ended:
                self._open_pool()
        if self._pool:
            yield from self._pool.results(self._source)

    def interrupted(self) -> Iterator[_Result]:
        """Yield what there is of results that were not complete, or not handed out, yet."""
        if self._work:
            yield from self._work.interrupted()
        elif self._pool:
            yield from self._pool.known_results()

    def _chunk(self) -> Iterator[_Item]:
        while (taken := self._source.take()) is not None:
            item, is_last = taken
            if item is not None:
                yield item
            if is_last:
                return
        self._ended = True

    def _open_pool(self) -> bool:
        """Go on with worker processes if that is worth it; return whether it is."""
        workers = self._workers
        if not (workers.may_be_several and self._source.has(workers.chunks)):
            return False
        count = workers.for_task(self._task)
        if count == 1:
            self._workers = Workers(1)
            return False
        if self._work:
            self._stack.close()  # its memory is for the workers
            self._work = None
        # What is imported here takes longer than all else of a command that works alone.
        from ..engine.llama.loading import forget_early
        from .pool import Pool

        forget_early()
        threads = workers.threads or 1
        places = core_groups(threads)
        pool: AbstractContextManager[Pool[_Item, _Result]] = Pool(
            self._task.for_worker(threads), count, places if count <= len(places) else ()
        )
        self._pool = self._stack.enter_context(pool)
        return True
