"""``/v1/embeddings``: the mean of a text's hidden states after the final layer norm."""

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ..engine.scheduling import Update
from .answers import EmbeddingAnswer
from .body import read_body
from .ignored import note, warning
from .inputs import EmbeddingCall, parse_embedding
from .jobs import RequestJobs
from .service import Service


async def embeddings(service: Service, request: HttpRequest) -> "EmbeddingResponse":
    """Check a request, and return the response that will answer it.

    Raises:
        ApiError: the request is refused.
    """
    return EmbeddingResponse(service, await read_body(request, service, parse_embedding))


class EmbeddingResponse:
    """A response with one vector for each input."""

    def __init__(self, service: Service, call: EmbeddingCall) -> None:
        """Reserve places in the queue for the inputs.

        Raises:
            ApiError: there are not enough.
        """
        self._service = service
        self._call = call
        self._answer = EmbeddingAnswer(call, service.name, self._note)
        self._jobs = RequestJobs(service, self._answer.jobs, len(call.inputs))

    def _note(self, update: Update) -> None:
        self._jobs.update(update)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compute the embeddings and send them.

        Raises:
            ApiError: they can't be computed.
        """
        note(scope, self._call.ignored)
        self._service.metrics.prompt_tokens += self._answer.prompt_tokens
        await self._jobs.run(scope, receive, self._send_all(scope, receive, send))

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._jobs.wait_for_all()
        headers = warning(self._call.ignored)
        await JSONResponse(self._answer.body, headers=headers)(scope, receive, send)
