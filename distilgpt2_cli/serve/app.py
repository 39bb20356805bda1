"""The routes."""

from collections.abc import Callable
from functools import partial

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from . import lora, page
from .access import Access, AccessMiddleware
from .completions import completions
from .embeddings import embeddings
from .prometheus import MEDIA_TYPE
from .service import Service
from .tokenizer import detokenize, tokenize, tokenizer_info


def make_app(service: Service, access: Access, log: Callable[[str], None]) -> ASGIApp:
    """Return the application; ``log`` is given a line for every request."""
    routes = [
        Route("/", _page),
        Route("/health", partial(_health, service)),
        Route("/metrics", partial(_metrics, service)),
        Route("/v1/models", partial(_models, service)),
        Route("/v1/models/{name:path}", partial(_model, service)),
        Route("/v1/completions", partial(completions, service), methods=["POST"]),
        Route("/v1/embeddings", partial(embeddings, service), methods=["POST"]),
        Route("/lora-adapters", partial(lora.adapters, service), methods=["GET", "POST"]),
        Route("/tokenizer_info", partial(tokenizer_info, service)),
        Route("/tokenize", partial(tokenize, service), methods=["POST"]),
        Route("/detokenize", partial(detokenize, service), methods=["POST"]),
    ]
    paths = frozenset(route.path for route in routes)
    router = Router(routes, redirect_slashes=False)
    app: ASGIApp = AccessMiddleware(router, service, access, paths, log)
    if access.origins:
        # No cookies are used. Clients' own libraries send headers of their own.
        app = CORSMiddleware(
            app,
            access.origins,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),
            allow_private_network=True,
            expose_headers=("Retry-After", "Warning"),
        )
    return app


async def _page(_request: Request) -> Response:
    return Response(page.document(), headers=page.headers())


async def _health(service: Service, _request: Request) -> Response:
    if service.is_ending:
        return JSONResponse({"status": "shutting down"}, 503)
    return JSONResponse({"status": "ok"})


async def _metrics(service: Service, _request: Request) -> Response:
    text = service.metrics.text(service.scheduler.load, service.open)
    return Response(text, headers={"Content-Type": MEDIA_TYPE})


async def _models(service: Service, _request: Request) -> Response:
    return JSONResponse(
        {"object": "list", "data": [_record(service, name) for name in service.names]}
    )


async def _model(service: Service, request: Request) -> Response:
    name = request.path_params["name"]
    service.check_model(name)
    return JSONResponse(_record(service, name))


def _record(service: Service, name: str) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": service.created,
        "owned_by": "distil",
        "context_window": service.scheduler.window,
    }
