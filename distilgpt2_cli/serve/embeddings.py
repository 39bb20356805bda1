"""``/v1/embeddings``: the mean of a text's hidden states after the final layer norm."""

from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ..engine.records import FeatureRequest
from ..engine.scheduling import Job, Update
from .body import read_body
from .errors import invalid
from .fields import Fields, texts_or_tokens
from .ignored import note, warning
from .jobs import RequestJobs
from .parameters import check_model, tokenized
from .service import MAX_TEXTS, Service

if TYPE_CHECKING:
    from ..engine.evaluate.evaluator import Rows


async def embeddings(service: Service, request: HttpRequest) -> "EmbeddingResponse":
    """Check a request, and return the response that will answer it.

    Raises:
        ApiError: the request is refused.
    """
    return EmbeddingResponse(service, await read_body(request, service, parse))


class EmbeddingCall(NamedTuple):
    """A checked request for embeddings.

    Attributes:
        inputs: the tokens of each.
        base64: whether the answer has base64 instead of numbers.
        ignored: the names of fields that are not known here.
    """

    inputs: Sequence[Sequence[int]]
    base64: bool
    ignored: Sequence[str]


def parse(body: bytes, service: Service) -> EmbeddingCall:
    """Parse a request body.

    Raises:
        ApiError: a field is wrong or not supported.
    """
    fields = Fields.of_body(body)
    check_model(fields, service)
    model, window = service.model, service.scheduler.window
    values = texts_or_tokens("input", fields.take("input"), model.vocabulary_size, MAX_TEXTS)
    encoding = fields.take("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise invalid("encoding_format", "encoding_format must be float or base64.")
    fields.refuse("dimensions", (model.width,))
    fields.take("user")
    ignored = fields.end(strict=service.limits.strict)
    inputs = [tokenized("input", value, model, window) for value in values]
    return EmbeddingCall(inputs, encoding == "base64", ignored)


class EmbeddingResponse:
    """A response with one vector for each input."""

    def __init__(self, service: Service, call: EmbeddingCall) -> None:
        """Reserve places in the queue for the inputs.

        Raises:
            ApiError: there are not enough.
        """
        self._service = service
        self._call = call
        self._tokens = sum(map(len, call.inputs))
        self._rows: list[Rows | None] = [None] * len(call.inputs)
        jobs = [
            Job(FeatureRequest(tokens), partial(self._receive, i))
            for i, tokens in enumerate(call.inputs)
        ]
        self._jobs = RequestJobs(service, jobs, len(call.inputs))

    def _receive(self, index: int, update: Update) -> None:
        if update.result:
            self._rows[index] = update.result.features
        self._jobs.update(update)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compute the embeddings and send them.

        Raises:
            ApiError: they can't be computed.
        """
        note(scope, self._call.ignored)
        self._service.metrics.prompt_tokens += self._tokens
        await self._jobs.run(scope, receive, self._send_all(scope, receive, send))

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._jobs.wait_for_all()
        data = [
            {"object": "embedding", "index": index, "embedding": self._encoded(row)}
            for index, row in enumerate(self._rows)
            if row is not None
        ]
        usage = {"prompt_tokens": self._tokens, "total_tokens": self._tokens}
        body = {"object": "list", "data": data, "model": self._service.name, "usage": usage}
        await JSONResponse(body, headers=warning(self._call.ignored))(scope, receive, send)

    def _encoded(self, row: "Rows") -> Any:
        return (
            b64encode(row.astype("<f4").tobytes()).decode() if self._call.base64 else row.tolist()
        )
