"""What all requests share: the scheduler, the limits, the counts, and who may come in."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.llama.model import Model
from ..engine.scheduling import Scheduler, Update
from .errors import ApiError
from .metrics import Metrics

MAX_TEXTS = 128
"""Completions, or inputs of an embedding, of one request."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes.

    Attributes:
        parallel: completions under way at once.
        queue: completions that may wait or be read, besides them.
        max_tokens: tokens of one completion.
        body_bytes: of one request.
        seconds: from a request to the end of its answer.
    """

    parallel: int = 16
    queue: int = 64
    max_tokens: int = 2048
    body_bytes: int = 2**20
    seconds: float = 300.0

    @property
    def open(self) -> int:
        """Completions and inputs that are not answered yet, at most."""
        return self.parallel + self.queue


class Service:
    """A model that answers requests. Everything here belongs to the event loop's thread.

    Attributes:
        name: of the model, as clients see it.
        created: of the model's file, in seconds since 1970.
        metrics: what is counted.
        is_ending: whether new requests are refused because the server ends.
    """

    def __init__(
        self, model: Model, limits: Limits, threads: int | None, name: str, created: int
    ) -> None:
        """Make room for completions, in the thread of a running event loop.

        Raises:
            UsageError: ``limits.parallel`` is more than llama.cpp can evaluate together.
            DistilError: llama.cpp can't make the context.
        """
        self.limits = limits
        self.name = name
        self.created = created
        self.metrics = Metrics()
        self.is_ending = False
        self.scheduler = Scheduler(model, limits.parallel, threads, self._hand_over)
        self.open = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def model(self) -> Model:
        """What completes the texts."""
        return self.scheduler.model

    def start(self) -> None:
        """Begin to work; in the thread of a running event loop."""
        self._loop = asyncio.get_running_loop()
        self.scheduler.start()

    def enter(self, count: int) -> None:
        """Take seats for what a request asks for; `leave` gives them back.

        Raises:
            ApiError: there are not so many free now, or there never will be.
        """
        if count > self.limits.open:
            raise ApiError(
                400, f"{count} texts in one request are more than this server takes at all."
            )
        if self.open + count > self.limits.open:
            raise ApiError(
                429,
                f"{self.open} completions are under way or wait already. Try again later.",
                code="rate_limit_exceeded",
                headers={"Retry-After": "1"},
            )
        self.open += count
        self._empty.clear()

    def leave(self, count: int) -> None:
        """Give seats back."""
        self.open -= count
        if not self.open:
            self._empty.set()

    async def end(self) -> None:
        """Refuse new requests, and return when those before are answered."""
        self.is_ending = True
        await self._empty.wait()

    def _hand_over(self, updates: Sequence[Update]) -> None:
        assert self._loop
        self._loop.call_soon_threadsafe(_receive, updates)


def _receive(updates: Sequence[Update]) -> None:
    for update in updates:
        update.job.receive(update)
