"""``/v1/completions``: texts continued, whole or as they are made."""

import json
import time
import uuid
from functools import partial
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ..engine.generation import Request
from ..engine.options import MAX_SEED
from ..engine.scheduling import Job, Update
from .choices import Choice
from .exchange import Exchange, off_loop, read_body
from .parameters import CompletionCall, parse
from .service import Service

_EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


async def completions(service: Service, request: HttpRequest) -> "CompletionAnswer":
    """Check a request, and return its answer, which is yet to be made.

    Raises:
        ApiError: it can't be obeyed.
    """
    body = await read_body(request, service.limits.body_bytes)
    return CompletionAnswer(service, await off_loop(body, parse, service))


class CompletionAnswer:
    """An answer that is made while it is sent."""

    def __init__(self, service: Service, call: CompletionCall) -> None:
        """Take seats for its completions.

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
        self._exchange = Exchange(service, jobs)

    def _job(self, index: int) -> Job:
        call = self._call
        prompt = call.prompts[index // call.n]
        seed = (call.seed + index) % (MAX_SEED + 1)
        echoed = prompt.text if call.echo else ""
        choice = Choice(index, seed, self._service.model, echoed, call.logprobs is not None)
        self._choices.append(choice)
        request = Request(prompt.tokens, seed, options=call.options, alternatives=call.logprobs)
        return Job(request, partial(self._receive, choice), call.deterministic)

    def _receive(self, choice: Choice, update: Update) -> None:
        choice.add(update)
        self._service.metrics.completion_tokens += len(update.tokens)
        self._exchange.note(update)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make the answer, and send it.

        Raises:
            ApiError: it can't be made, and nothing of it was sent.
        """
        answer = self._stream(send) if self._call.stream else self._send_all(scope, receive, send)
        self._service.metrics.prompt_tokens += self._call.prompt_tokens
        if not await self._exchange.run(receive, answer):
            scope["distil.left"] = True
        elapsed = time.perf_counter() - self._exchange.started
        self._service.metrics.duration.observe(elapsed)

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._exchange.wait_for_all()
        choices = [choice.take() for choice in self._choices]
        body = self._head | {"choices": choices, "usage": self._usage}
        await JSONResponse(body)(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        """Send what is new whenever the reader has taken what came before."""
        exchange = self._exchange
        await exchange.wait()
        if exchange.error:
            raise exchange.error
        await send({"type": "http.response.start", "status": 200, "headers": _EVENT_STREAM})
        open_choices = list(self._choices)
        while True:
            events = [self._event([new]) for choice in open_choices if (new := choice.take())]
            open_choices = [choice for choice in open_choices if not choice.finish_reason]
            if exchange.error:
                events.append(_data(exchange.error.record))
            if not open_choices or exchange.error:
                break
            if events:
                await _send_part(send, events)
            await exchange.wait()
        if self._call.include_usage and not exchange.error:
            events.append(self._event([], self._usage))
        if not exchange.error:
            events.append(b"data: [DONE]\n\n")
        await _send_part(send, events, more=False)

    @property
    def _usage(self) -> dict[str, int]:
        made = sum(choice.token_count for choice in self._choices)
        prompt = self._call.prompt_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": made,
            "total_tokens": prompt + made,
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
