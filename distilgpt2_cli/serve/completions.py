"""``/v1/completions``: completions of prompts, sent whole or streamed."""

import json
import time
import uuid
from collections.abc import Iterator
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
        self._choices = [self._choice(index) for index in range(len(call.prompts) * call.best_of)]
        jobs = [*self._scoring_jobs(), *self._completion_jobs()]
        self._jobs = RequestJobs(service, jobs, len(self._choices))

    def _choice(self, index: int) -> Choice:
        call = self._call
        return Choice(
            index,
            completion_seed(call.seed, index),
            self._service.model,
            call.prompts[index // call.best_of].text if call.echo else "",
            logprobs=call.logprobs is not None,
            generates=call.generates,
        )

    def _scoring_jobs(self) -> Iterator[Job]:
        """Yield a job for each prompt that is shown with its log-probabilities."""
        call = self._call
        if call.logprobs is None or not call.echo:
            return
        for choice in self._choices:
            choice.awaits_prompt = True
        step = len(call.prompts) if call.scores_together else 1
        for start in range(0, len(call.prompts), step):
            texts = [prompt.tokens for prompt in call.prompts[start : start + step]]
            then = self._request(start) if call.draws_after_scores else None
            request = ScoreRequest(texts, call.logprobs, then)
            yield Job(request, partial(self._receive_scores, start))

    def _completion_jobs(self) -> Iterator[Job]:
        call = self._call
        if not call.generates or call.draws_after_scores:
            return
        for index, choice in enumerate(self._choices):
            receive = partial(self._receive, choice)
            yield Job(self._request(index), receive, call.deterministic, not call.stream)

    def _request(self, index: int) -> Request:
        call, seed = self._call, self._choices[index].seed
        tokens = call.prompts[index // call.best_of].tokens
        return Request(tokens, seed, options=call.options, alternatives=call.alternatives)

    def _receive_scores(self, first: int, update: Update) -> None:
        """Give the scores of prompts, of which one is the ``first``, to their choices."""
        if update.result:
            for number, scores in enumerate(update.result.scores, first):
                for choice in self._of_prompt(number):
                    choice.add_prompt(scores)
            if update.result.tokens:
                self._choices[first].add(update.result.tokens, update.result.finish_reason)
                self._service.metrics.completion_tokens += len(update.result.tokens)
        self._jobs.update(update)

    def _of_prompt(self, number: int) -> list[Choice]:
        count = self._call.best_of
        return self._choices[number * count : (number + 1) * count]

    def _receive(self, choice: Choice, update: Update) -> None:
        choice.add(update.tokens, update.finish_reason)
        self._service.metrics.completion_tokens += len(update.tokens)
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
        choices = [choice.take() for choice in self._answer()]
        body = self._head | {"choices": choices, "usage": self._usage}
        await JSONResponse(body, headers=warning(self._call.ignored))(scope, receive, send)

    def _answer(self) -> list[Choice]:
        """Return the choices to send: of those of each prompt, the likeliest."""
        call = self._call
        if call.best_of == call.n:
            return self._choices
        chosen: list[Choice] = []
        for number in range(len(call.prompts)):
            ranked = sorted(self._of_prompt(number), key=lambda choice: -choice.mean_logprob)
            chosen += ranked[: call.n]
        for index, choice in enumerate(chosen):
            choice.index = index
        return chosen

    async def _stream(self, send: Send) -> None:
        """Send what is new whenever the client has read what came before."""
        jobs = self._jobs
        await jobs.wait()
        if jobs.error:
            raise jobs.error
        more = warning(self._call.ignored).items()
        headers = [*_EVENT_STREAM, *((name.encode(), value.encode()) for name, value in more)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
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
