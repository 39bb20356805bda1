"""What all requests share: the scheduler, the limits, the metrics, and admission."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.llama.model import Model
from ..engine.scheduling import Scheduler, Update
from .errors import ApiError
from .metrics import Metrics


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server.

    Attributes:
        parallel: completions generated at the same time.
        queue: further completions that may wait, or are still being sent.
        max_tokens: tokens of one completion.
        body_bytes: size of one request body.
        seconds: from a request to the end of its response.
        strict: whether fields that are not known are refused, and not ignored with a warning.
        score_together: whether the prompts of a request are scored together unless it says.
    """

    parallel: int = 16
    queue: int = 512
    max_tokens: int = 2048
    body_bytes: int = 2**20
    seconds: float = 300.0
    strict: bool = False
    score_together: bool = False

    @property
    def open(self) -> int:
        """The most completions and inputs that may be unanswered at a time."""
        return self.parallel + self.queue


class Service:
    """A model that answers requests. Everything here belongs to the event loop's thread.

    Attributes:
        names: the model's names for clients, the first one its own.
        created: the time of the model's file, in seconds since 1970.
        metrics: counts and times.
        is_ending: whether new requests are refused because the server is shutting down.
        open: completions and inputs that are not answered yet.
        scales: those of the model's adapters for requests that name none.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits,
        threads: int | None,
        names: Sequence[str],
        created: int,
    ) -> None:
        """Make the context, in the thread of a running event loop.

        Raises:
            UsageError: ``limits.parallel`` is more than llama.cpp can evaluate together.
            DistilError: llama.cpp can't make the context.
        """
        self.limits = limits
        self.names = names
        self.created = created
        self.metrics = Metrics()
        self.is_ending = False
        self.scheduler = Scheduler(model, limits.parallel, threads, self._deliver)
        self.open = 0
        self.scales = model.adapter_scales
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def name(self) -> str:
        """The name that responses have."""
        return self.names[0]

    @property
    def model(self) -> Model:
        """The model that generates."""
        return self.scheduler.model

    @property
    def window(self) -> int:
        """The tokens that a text may have."""
        return self.scheduler.window

    @property
    def max_tokens(self) -> int:
        """The most tokens of one completion."""
        return self.limits.max_tokens

    @property
    def strict(self) -> bool:
        """Whether fields that are not known are refused, and not ignored."""
        return self.limits.strict

    @property
    def score_together(self) -> bool:
        """Whether the prompts of a request are scored together unless it says."""
        return self.limits.score_together

    def start(self) -> None:
        """Start the scheduler; call it in the thread of a running event loop."""
        self._loop = asyncio.get_running_loop()
        self.scheduler.start()

    def check_model(self, name: object) -> None:
        """Check that a request names the model that is served.

        Raises:
            ApiError: it names another one.
        """
        if name not in self.names:
            raise ApiError(
                404,
                f"This server has only the model {self.name}, not {str(name)[:100]}."
                f' Use that name, or leave out "model".',
                param="model",
                code="model_not_found",
            )

    def admit(self, count: int) -> None:
        """Reserve places in the queue for so many texts; `release` gives them back.

        Raises:
            ApiError: they are more than are free now, or more than there are.
        """
        if count > self.limits.open:
            raise ApiError(
                400,
                f"The request asks for {count} texts, and this server allows {self.limits.open}"
                " at a time. Split it, or start the server with a larger --queue.",
            )
        if self.open + count > self.limits.open:
            raise ApiError(
                429,
                f"{self.open} completions are running or waiting already. Try again later.",
                code="rate_limit_exceeded",
                headers={"Retry-After": "1"},
            )
        self.open += count
        self._idle.clear()

    def release(self, count: int) -> None:
        """Give reserved places back."""
        self.open -= count
        if not self.open:
            self._idle.set()

    async def end(self) -> None:
        """Refuse new requests, and return when all earlier ones are answered."""
        self.is_ending = True
        await self._idle.wait()

    def _deliver(self, updates: Sequence[Update]) -> None:
        assert self._loop
        self._loop.call_soon_threadsafe(_receive, updates)


def _receive(updates: Sequence[Update]) -> None:
    for update in updates:
        update.job.receive(update)
