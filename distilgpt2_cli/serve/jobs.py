"""The jobs of one request, from its admission until the client has the answer."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from starlette.types import Receive, Scope

from ..engine.scheduling import Job, Update
from .errors import ApiError, failed
from .service import Service

# How long after the time limit a client that reads nothing is disconnected.
_GRACE_SECONDS = 5.0


class RequestJobs:
    """Jobs that are answered together.

    Results that are not sent yet are buffered, at most the tokens that were asked for, so that a
    slow reader delays nobody. A client that disconnects, or a timeout, cancels the jobs.

    Attributes:
        error: why there will be no more results, or None.
        started: when the request was admitted, in seconds of `time.perf_counter`.
    """

    def __init__(self, service: Service, jobs: Sequence[Job], places: int) -> None:
        """Reserve so many places in the queue.

        Raises:
            ApiError: there are not enough.
        """
        service.admit(places)
        self.error: ApiError | None = None
        self.started = time.perf_counter()
        self._service = service
        self._jobs = jobs
        self._places = places
        self._unfinished = set(jobs)
        self._updated = asyncio.Event()
        if not jobs:  # there is nothing to wait for
            self._updated.set()
        self._has_token = False

    def update(self, update: Update) -> None:
        """Record that a job has progressed or ended; to be called with each of its updates."""
        if update.tokens and not self._has_token:
            self._has_token = True
            self._service.metrics.first_token.observe(time.perf_counter() - self.started)
        if update.error:
            self._fail(failed(update.error))
        if update.is_last:
            self._unfinished.discard(update.job)
        self._updated.set()

    async def wait(self) -> None:
        """Wait for the next update."""
        await self._updated.wait()
        self._updated.clear()

    async def wait_for_all(self) -> None:
        """Wait until all jobs have ended.

        Raises:
            ApiError: one of them failed, or the time limit passed.
        """
        while self._unfinished:
            await self.wait()
        if self.error:
            raise self.error

    async def run(self, scope: Scope, receive: Receive, answer: Coroutine[Any, Any, None]) -> None:
        """Run the jobs while a coroutine answers; a client that disconnects is noted in the scope.

        Raises:
            ApiError: what the answer raised.
        """
        limit = self._service.limits.seconds
        timer = asyncio.get_running_loop().call_later(limit, self._fail, _timeout(limit))
        for job in self._jobs:
            self._service.scheduler.submit(job)
        tasks = [asyncio.ensure_future(answer), asyncio.ensure_future(_disconnected(receive))]
        try:
            await asyncio.wait(
                tasks, timeout=limit + _GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if tasks[0].done():
                tasks[0].result()
            else:
                self._service.metrics.disconnects += 1
                scope["distil.disconnected"] = True
        finally:
            timer.cancel()
            for task in tasks:
                task.cancel()
            self._cancel()
            self._service.release(self._places)
            self._jobs = ()  # they refer to this object: the cycle would keep both in memory

    def _fail(self, error: ApiError) -> None:
        """Cancel all jobs with an error, unless they have ended."""
        if self.error is None and self._unfinished:
            self.error = error
            self._cancel()
            self._updated.set()

    def _cancel(self) -> None:
        for job in self._unfinished:
            self._service.scheduler.cancel(job)
        self._unfinished = set()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _timeout(seconds: float) -> ApiError:
    return ApiError(
        504,
        f"The request took longer than {seconds:g} seconds and was stopped. Ask for fewer tokens.",
        code="timeout",
    )
