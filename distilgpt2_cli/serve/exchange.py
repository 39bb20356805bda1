"""The jobs of one request, from the moment they are let in until the client has its answer."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from starlette.requests import Request as HttpRequest
from starlette.types import Receive

from ..engine.scheduling import Job, Update
from ..errors import DistilError
from .errors import ApiError
from .service import Service

_Parsed = TypeVar("_Parsed")

_BODY_SECONDS = 30.0
_LONG_BODY = 16_384  # bytes
# What a reader that takes nothing may take longer than the request before it is dropped.
_GRACE_SECONDS = 5.0


async def read_body(request: HttpRequest, limit: int) -> bytes:
    """Return the body of a request that says it is JSON.

    A page of another site can make a browser send other types unasked, but not this one.

    Raises:
        ApiError: it is of another type, larger than the limit, or does not come.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "The Content-Type must be application/json.")
    try:
        return await asyncio.wait_for(_read(request, limit), _BODY_SECONDS)
    except asyncio.TimeoutError:
        raise ApiError(
            408, "The body did not come in time.", headers={"Connection": "close"}
        ) from None


async def _read(request: HttpRequest, limit: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise ApiError(
                413,
                f"The body has more than {limit} bytes.",
                headers={"Connection": "close"},
            )
    return bytes(body)


async def off_loop(
    body: bytes, parse: Callable[[bytes, Service], _Parsed], service: Service
) -> _Parsed:
    """Return what a body says; one that takes long to tokenize is read in another thread."""
    if len(body) < _LONG_BODY:
        return parse(body, service)
    return await asyncio.to_thread(parse, body, service)


class Exchange:
    """Jobs that are answered together.

    What was made and is not sent yet waits here, at most the tokens that were asked for, so that
    a slow reader holds nobody up. One who leaves, or takes longer than the limit, ends the jobs.

    Attributes:
        news: set when there is something new.
        error: why there will be no more, if that is so.
    """

    def __init__(self, service: Service, jobs: Sequence[Job]) -> None:
        """Take seats for the jobs.

        Raises:
            ApiError: there are not enough.
        """
        service.enter(len(jobs))
        self.news = asyncio.Event()
        self.error: ApiError | None = None
        self.started = time.perf_counter()
        self._service = service
        self._jobs = jobs
        self._unfinished = set(jobs)
        self._has_token = False

    @property
    def is_done(self) -> bool:
        """Whether everything is there that was asked for."""
        return not self._unfinished

    def note(self, update: Update) -> None:
        """Take note that a job goes on or has ended; called with every update of one."""
        if update.tokens and not self._has_token:
            self._has_token = True
            self._service.metrics.first_token.observe(time.perf_counter() - self.started)
        if update.error:
            self.fail(_as_api_error(update.error))
        if update.is_last:
            self._unfinished.discard(update.job)
        self.news.set()

    def fail(self, error: ApiError) -> None:
        """End all jobs with an error, unless they have ended."""
        if self.error is None and self._unfinished:
            self.error = error
            self._cancel()
            self.news.set()

    async def wait(self) -> None:
        """Wait until there is something new."""
        await self.news.wait()
        self.news.clear()

    async def wait_for_all(self) -> None:
        """Wait until everything is there.

        Raises:
            ApiError: it will not be.
        """
        while not self.is_done:
            await self.wait()
            if self.error:
                raise self.error

    async def run(self, receive: Receive, answer: Coroutine[Any, Any, None]) -> bool:
        """Have the jobs done while a coroutine answers; tell whether the client was there.

        Raises:
            ApiError: what the answer raised.
        """
        limit = self._service.limits.seconds
        timer = asyncio.get_running_loop().call_later(limit, self.fail, _too_late(limit))
        for job in self._jobs:
            self._service.scheduler.submit(job)
        tasks = [asyncio.ensure_future(answer), asyncio.ensure_future(_left(receive))]
        try:
            await asyncio.wait(
                tasks, timeout=limit + _GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if tasks[0].done():
                tasks[0].result()
                return True
            self._service.metrics.disconnects += 1
            return False
        finally:
            timer.cancel()
            for task in tasks:
                task.cancel()
            self._cancel()
            self._service.leave(len(self._jobs))
            self._jobs = ()  # they refer to this exchange: with them it would stay for a while

    def _cancel(self) -> None:
        for job in self._unfinished:
            self._service.scheduler.cancel(job)
        self._unfinished = set()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _too_late(seconds: float) -> ApiError:
    return ApiError(
        504, f"The answer took longer than {seconds:g} seconds, and was ended.", code="timeout"
    )


def _as_api_error(error: Exception) -> ApiError:
    if isinstance(error, DistilError):
        return ApiError(500, str(error))
    return ApiError(500, f"The server met an error: {type(error).__name__}: {error}.")
