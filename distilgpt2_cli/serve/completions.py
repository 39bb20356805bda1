"""``/v1/completions``: completions of prompts, sent whole or streamed."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ..engine.options import completion_seed
from ..engine.records import Request, ScoreRequest
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
        self._choices = [self._choice(index) for index in range(len(call.prompts) * call.n)]
        jobs = [*self._scoring_jobs(), *self._completion_jobs()]
        self._jobs = RequestJobs(service, jobs, len(self._choices))

    def _choice(self, index: int) -> Choice:
        call = self._call
        return Choice(
            index,
            completion_seed(call.seed, index),
            self._service.model,
            call.prompts[index // call.n].text if call.echo else "",
            logprobs=call.logprobs is not None,
            generates=call.generates,
        )

    def _scoring_jobs(self) -> Iterator[Job]:
        """Yield a job for each prompt that is shown with its log-probabilities."""
        call = self._call
        if call.logprobs is None or not call.echo:
            return
        for number, prompt in enumerate(call.prompts):
            choices = self._choices[number * call.n : (number + 1) * call.n]
            for choice in choices:
                choice.awaits_prompt = True
            request = ScoreRequest(prompt.tokens, call.logprobs)
            yield Job(request, partial(self._receive_scores, choices))

    def _completion_jobs(self) -> Iterator[Job]:
        call = self._call
        if not call.generates:
            return
        for index, choice in enumerate(self._choices):
            tokens = call.prompts[index // call.n].tokens
            request = Request(tokens, choice.seed, options=call.options, alternatives=call.logprobs)
            yield Job(request, partial(self._receive, choice), call.deterministic, not call.stream)

    def _receive_scores(self, choices: Sequence[Choice], update: Update) -> None:
        if update.result:
            for choice in choices:
                choice.add_prompt(update.result.scores)
        self._jobs.update(update)

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
            open_choices = [choice for choice in open_choices if not choice.is_complete]
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
