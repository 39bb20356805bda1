"""``/v1/completions``: completions of prompts, sent whole or streamed."""

import json
import time
import uuid
from functools import partial
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ..engine.options import completion_seed
from ..engine.records import Request
from ..engine.scheduling import Job, Update
from .body import read_body
from .choices import Choice
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
        self._choices: list[Choice] = []
        jobs = [self._job(index) for index in range(len(call.prompts) * call.n)]
        self._jobs = RequestJobs(service, jobs)

    def _job(self, index: int) -> Job:
        call = self._call
        prompt = call.prompts[index // call.n]
        seed = completion_seed(call.seed, index)
        echoed = prompt.text if call.echo else ""
        choice = Choice(index, seed, self._service.model, echoed, call.logprobs is not None)
        self._choices.append(choice)
        request = Request(prompt.tokens, seed, options=call.options, alternatives=call.logprobs)
        return Job(request, partial(self._receive, choice), call.deterministic)

    def _receive(self, choice: Choice, update: Update) -> None:
        choice.add(update)
        self._service.metrics.completion_tokens += len(update.tokens)
        self._jobs.update(update)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Generate the completions and send them.

        Raises:
            ApiError: generation failed, and nothing was sent.
        """
        answer = self._stream(send) if self._call.stream else self._send_all(scope, receive, send)
        self._service.metrics.prompt_tokens += self._call.prompt_tokens
        await self._jobs.run(scope, receive, answer)
        self._service.metrics.duration.observe(time.perf_counter() - self._jobs.started)

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._jobs.wait_for_all()
        choices = [choice.take() for choice in self._choices]
        body = self._head | {"choices": choices, "usage": self._usage}
        await JSONResponse(body)(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        """Send what is new whenever the client has read what came before."""
        jobs = self._jobs
        await jobs.wait()
        if jobs.error:
            raise jobs.error
        await send({"type": "http.response.start", "status": 200, "headers": _EVENT_STREAM})
        open_choices = list(self._choices)
        while True:
            events = [self._event([new]) for choice in open_choices if (new := choice.take())]
            open_choices = [choice for choice in open_choices if not choice.finish_reason]
            if jobs.error:
                events.append(_data(jobs.error.record))
            if not open_choices or jobs.error:
                break
            if events:
                await _send_part(send, events)
            await jobs.wait()
        if self._call.include_usage and not jobs.error:
            events.append(self._event([], self._usage))
        if not jobs.error:
            events.append(b"data: [DONE]\n\n")
        await _send_part(send, events, more=False)

    @property
    def _usage(self) -> dict[str, int]:
        completion = sum(choice.token_count for choice in self._choices)
        prompt = self._call.prompt_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
        event: dict[str, Any] = self._head | {"choices": choices}
        if self._call.include_usage:
            event["usage"] = usage
        return _data(event)


def _data(record: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(record).encode() + b"\n\n"


async def _send_part(send: Send, events: list[bytes], *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": b"".join(events), "more_body": more})
