"""Worker processes, and the chunks that they compute."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from selectors import EVENT_READ, DefaultSelector
from types import TracebackType
from typing import Any, Generic, TypeVar

from ..child import started
from ..engine.llama.placement import Placement
from ..errors import DistilError
from .tasks import Source, Task

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MOST_DEATHS = 3  # of workers with the same chunk
_AHEAD = 2  # chunks for each worker that are computed, wait for one, or for results before theirs


@dataclass(eq=False)
class _Chunk:
    """A part of the input.

    Attributes:
        items: all of them so far; they are sent again if a worker dies.
        closed: whether there will be no more.
        results: those that were not handed out yet.
        received: how many results have come.
        done: whether all have.
        error: what ended it instead.
        deaths: how many workers have died with it.
    """

    items: list[Any] = field(default_factory=list)
    closed: bool = False
    results: deque[Any] = field(default_factory=deque)
    received: int = 0
    done: bool = False
    error: BaseException | None = None
    deaths: int = 0


class _Worker:
    """A process and what it has been given."""

    def __init__(self, task: Task[Any, Any], processors: set[int] | None) -> None:
        self.processors = processors
        self.is_open = False
        self.chunk: _Chunk | None = None
        self._sent = self._known = 0
        self._end_sent = False
        self._process, self.connection = started(f"{__package__}.process")
        with suppress(OSError):  # it has died: that is seen when its results are waited for
            self.connection.send((task, processors))

    def take(self, chunk: _Chunk) -> None:
        """Begin with a chunk, of which some results may be known from a worker that died."""
        self.chunk, self._sent, self._end_sent = chunk, 0, False
        self._known = chunk.received

    def send_more(self) -> None:
        """Send what the chunk has and the process does not."""
        chunk = self.chunk
        if chunk and (self._sent < len(chunk.items) or (chunk.closed and not self._end_sent)):
            with suppress(OSError):  # as above
                self.connection.send((chunk.items[self._sent :], chunk.closed))
            self._sent, self._end_sent = len(chunk.items), chunk.closed

    def add(self, results: Sequence[Any]) -> None:
        """Take results, but for those that are known."""
        assert self.chunk
        new = results[self._known :]
        self._known -= len(results) - len(new)
        self.chunk.results.extend(new)
        self.chunk.received += len(new)

    def kill(self) -> None:
        """End the process, which has nothing to lose; `close` waits for its end."""
        self._process.kill()

    def close(self) -> None:
        """Wait for the end of the process."""
        self.connection.close()
        self._process.wait()


class Pool(Generic[_Item, _Result]):
    """Worker processes; a context manager at whose end none is left.

    Attributes:
        placement: where the layers of the model are, in the first worker.
        started: how many workers there have been at once.
    """

    def __init__(
        self, task: Task[_Item, _Result], count: int, places: Sequence[set[int]] = ()
    ) -> None:
        """Start nothing yet.

        Args:
            task: what each worker opens.
            count: the most workers.
            places: the processors that each may stay on; without one, it may use all.
        """
        self.placement = Placement()
        self.started = 0
        self._task = task
        self._count = count
        self._free_places = list(places)
        self._workers: list[_Worker] = []
        self._chunks: deque[_Chunk] = deque()
        self._failed_starts = 0
        self._selector = DefaultSelector()  # with each connection, the worker at its end

    def __enter__(self) -> "Pool[_Item, _Result]":
        """Start two workers, and wait until one of them has opened the task.

        Raises:
            DistilError: it can't be opened.
        """
        try:
            self._start()
            if self._count > 1:
                self._start()
            while not any(worker.is_open for worker in self._workers):
                self._receive([], None)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all workers."""
        self._end()

    def results(self, source: Source[_Item]) -> Iterator[_Result]:
        """Yield the results of all chunks in their order.

        Raises:
            DistilError: workers die again and again, or have raised it, as any other exception.
        """
        ended = False
        while True:
            if not ended and self._has_room() and source.ready():
                ended = not self._take_some(source)
            self._hand_out()
            yield from self._known_results()
            if ended and not self._chunks:
                return
            others: list[int] = []
            more = not ended and self._has_room()
            if more and not source.ready():
                assert source.descriptor is not None
                more, others = False, [source.descriptor]
            self._receive(others, 0 if more else None)

    def known_results(self) -> Iterator[_Result]:
        """Yield the results that have come and are the next ones, without waiting for more."""
        while self._chunks:
            chunk = self._chunks[0]
            while chunk.results:
                yield chunk.results.popleft()
            if not chunk.done:
                return
            self._chunks.popleft()

    def _known_results(self) -> Iterator[_Result]:
        yield from self.known_results()
        if self._chunks and (error := self._chunks[0].error):
            raise error

    def _has_room(self) -> bool:
        """Return whether more may be read: only so much that memory stays constant."""
        is_open = bool(self._chunks) and not self._chunks[-1].closed
        return is_open or len(self._chunks) < _AHEAD * self._count

    def _take_some(self, source: Source[_Item]) -> bool:
        """Read a chunk, or as much of it as is there; return whether there is more."""
        if not self._chunks or self._chunks[-1].closed:
            self._chunks.append(_Chunk())
        chunk = self._chunks[-1]
        more = True
        while more and not chunk.closed and source.ready():
            taken = source.take()
            more = taken is not None
            item, chunk.closed = taken or (None, True)
            if item is not None:
                chunk.items.append(item)
        if chunk.closed and not chunk.items:
            chunk.done = True
        return more

    def _hand_out(self) -> None:
        """Give each chunk that has begun to a worker, and send what is new."""
        taken = {worker.chunk for worker in self._workers}
        for chunk in self._chunks:
            if chunk in taken or chunk.done or chunk.error or not chunk.items:
                continue
            idle = next((worker for worker in self._workers if not worker.chunk), None)
            if idle is None and len(self._workers) < self._count:
                idle = self._start()
            if idle is None:
                break
            idle.take(chunk)
        for worker in self._workers:
            worker.send_more()

    def _start(self) -> _Worker | None:
        place = self._free_places.pop(0) if self._free_places else None
        try:
            worker = _Worker(self._task, place)
        except OSError:  # too many processes or files: those that there are do the work
            if not self._workers:
                raise
            self._count = len(self._workers)
            return None
        self._workers.append(worker)
        self._selector.register(worker.connection, EVENT_READ, worker)
        self.started = max(self.started, len(self._workers))
        return worker

    def _receive(self, others: Sequence[int], timeout: float | None) -> None:
        """Wait until there is a message, or something to read, and take a message of each."""
        for descriptor in others:
            self._selector.register(descriptor, EVENT_READ)
        try:
            ready = self._selector.select(timeout)
        finally:
            for descriptor in others:
                self._selector.unregister(descriptor)
        for key, _ in ready:
            if key.data:
                self._take_message(key.data)

    def _take_message(self, worker: _Worker) -> None:
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            self._died(worker)
            return
        if kind == "results":
            worker.add(value)
        elif kind == "done":
            assert worker.chunk
            worker.chunk.done, worker.chunk = True, None
        elif kind == "opened":
            self.placement, worker.is_open = value, True
        else:
            self._failed(worker, value)

    def _died(self, worker: _Worker) -> None:
        """Put the chunk of a worker back, for another one.

        Raises:
            DistilError: that has been tried often enough.
        """
        self._remove(worker)
        if worker.chunk:
            worker.chunk.deaths += 1
            deaths = worker.chunk.deaths
        elif worker.is_open:
            return
        else:
            self._failed_starts = deaths = self._failed_starts + 1
        if deaths >= _MOST_DEATHS:
            raise DistilError(
                f"A worker process ended {deaths} times without a result, as for want of memory.",
                "Use --workers 1, or a lower --parallel.",
            )
        if not self._workers:
            self._start()

    def _failed(self, worker: _Worker, error: BaseException) -> None:
        """Keep an error until the results before it are out.

        Raises:
            DistilError: the first worker can't open the task.
        """
        self._remove(worker)
        if not worker.is_open:
            if not self._workers:
                raise error
            self._count = len(self._workers)  # there may be no memory for more
        elif worker.chunk:
            worker.chunk.error = error

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._selector.unregister(worker.connection)
        if worker.processors:
            self._free_places.insert(0, worker.processors)
        worker.kill()
        worker.close()

    def _end(self) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.close()
        self._workers.clear()
        self._selector.close()
