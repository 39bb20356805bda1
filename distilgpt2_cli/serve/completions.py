"""``/v1/completions``: completions of prompts, sent whole or streamed."""

import json
import time
import uuid
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ..engine.scheduling import Update
from .answers import CompletionAnswer
from .body import read_body
from .ignored import note, warning
from .jobs import RequestJobs
from .parameters import CompletionCall, parse
from .service import Service

_EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


async def completions(service: Service, request: HttpRequest) -> "CompletionResponse":
    """Check a request, and return the response that will answer it.

    Raises:
        ApiError: the request is refused.
    """
    return CompletionResponse(service, await read_body(request, service, parse))


class CompletionResponse:
    """A response that is generated while it is sent."""

    def __init__(self, service: Service, call: CompletionCall) -> None:
        """Reserve places in the queue for its completions.

        Raises:
            ApiError: there are not enough.
        """
        self._service = service
        self._call = call
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": service.name,
        }
        self._answer = CompletionAnswer(call, self._head, service.model, self._note)
        self._jobs = RequestJobs(service, self._answer.jobs, len(self._answer.choices))

    def _note(self, update: Update) -> None:
        whole = update.result.texts if update.result else ()
        count = len(update.tokens) + sum(len(text.tokens) for text in whole)
        self._service.metrics.completion_tokens += count
        self._jobs.update(update)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Generate the completions and send them.

        Raises:
            ApiError: generation failed, and nothing was sent.
        """
        note(scope, self._call.ignored)
        answer = self._stream(send) if self._call.stream else self._send_all(scope, receive, send)
        self._service.metrics.prompt_tokens += self._call.prompt_tokens
        await self._jobs.run(scope, receive, answer)
        self._service.metrics.duration.observe(time.perf_counter() - self._jobs.started)

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._jobs.wait_for_all()
        headers = warning(self._call.ignored)
        await JSONResponse(self._answer.body, headers=headers)(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        """Send what is new whenever the client has read what came before."""
        jobs = self._jobs
        await jobs.wait()
        if jobs.error:
            raise jobs.error
        more = warning(self._call.ignored).items()
        headers = [*_EVENT_STREAM, *((name.encode(), value.encode()) for name, value in more)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        open_choices = list(self._answer.choices)
        while True:
            events = [self._event([new]) for choice in open_choices if (new := choice.take())]
            open_choices = [choice for choice in open_choices if not choice.is_complete]
            if jobs.error:
                events.append(_data(jobs.error.record))
            if not open_choices or jobs.error:
                break
            if events:
                await _send_part(send, events)
            await jobs.wait()
        if self._call.include_usage and not jobs.error:
            events.append(self._event([], self._answer.usage))
        if not jobs.error:
            events.append(b"data: [DONE]\n\n")
        await _send_part(send, events, more=False)

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
        event: dict[str, Any] = self._head | {"choices": choices}
        if self._call.include_usage:
            event["usage"] = usage
        return _data(event)


def _data(record: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(record).encode() + b"\n\n"


async def _send_part(send: Send, events: list[bytes], *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": b"".join(events), "more_body": more})
