"""A middleware before the routes: access control, request counts, the access log, and errors."""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .elsewhere import not_found, wrong_method
from .errors import ApiError
from .service import Service

_HEALTH = "/health"
_PUBLIC = ("/", _HEALTH)
_CLIENT_CLOSED_REQUEST = 499  # as in nginx's log: the client disconnected before the response


@dataclass(frozen=True, slots=True)
class Access:
    """Which requests are allowed.

    Attributes:
        api_key: what a client must send, or None.
        hosts: the names that a Host header may have; None for any. Without this, a page could let
            its own name resolve to this machine, and read the responses (DNS rebinding).
        origins: the other sites whose pages may read the responses, or ``*`` for all sites.
    """

    api_key: str | None
    hosts: frozenset[str] | None
    origins: tuple[str, ...] = ()

    def check(self, path: str, headers: Headers) -> None:
        """Check that a request is allowed.

        Raises:
            ApiError: it is not.
        """
        if not self._allows_host(headers.get("host"), path):
            raise ApiError(
                403,
                "The Host header is not a name of this server. Send the request to localhost.",
                code="host_not_allowed",
            )
        if self.api_key is not None and path not in _PUBLIC:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            is_right = hmac.compare_digest(given.strip().encode(), self.api_key.encode())
            if scheme.lower() != "bearer" or not is_right:
                raise ApiError(
                    401,
                    "The API key is missing or wrong. Send it as Authorization: Bearer KEY.",
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )

    def _allows_host(self, host: str | None, path: str) -> bool:
        if self.hosts is None:
            return True
        if host is None:  # as from load balancers that probe with HTTP/1.0; browsers always send it
            return path == _HEALTH
        return _host_name(host) in self.hosts


class AccessMiddleware:
    """An ASGI application around the routes."""

    def __init__(
        self,
        app: ASGIApp,
        service: Service,
        access: Access,
        paths: frozenset[str],
        log: Callable[[str], None],
    ) -> None:
        """Pass allowed requests on to ``app``, and a line for each request to ``log``.

        ``paths`` are those that are counted by their names; all others are counted together.
        """
        self._app = app
        self._service = service
        self._access = access
        self._paths = paths
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        start, status = time.perf_counter(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._answer(scope, receive, send_and_note)
        except (ApiError, HTTPException) as error:
            if not status:
                await _as_api_error(error, scope).response(scope, receive, send_and_note)
        except Exception as error:
            self._log(f"Unexpected error in a request: {type(error).__name__}: {error}.")
            if not status:
                unexpected = ApiError(500, "Unexpected error in the server. Its log has details.")
                await unexpected.response(scope, receive, send_and_note)
        finally:
            if notice := scope.get("distil.notice"):
                self._log(notice)
            if scope.get("distil.disconnected"):
                status = _CLIENT_CLOSED_REQUEST
            self._note(scope, status, start)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self._access.check(path, Headers(scope=scope))
        if self._service.is_ending and scope["method"] == "POST":
            raise ApiError(
                503,
                "The server is shutting down. Try again later.",
                code="shutting_down",
                headers={"Retry-After": "5", "Connection": "close"},
            )
        scope["app"] = self._app  # with it, the router raises errors instead of sending plain text
        await self._app(scope, receive, send)

    def _note(self, scope: Scope, status: int, start: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._service.metrics.requests[path, status] += 1
        client = scope["client"][0] if scope.get("client") else "-"
        shown = scope.get("raw_path", b"").decode("ascii", "backslashreplace")[:200]
        seconds = time.perf_counter() - start
        self._log(f'{client} "{scope["method"]} {shown}" {status} {seconds:.3f} s')


def _as_api_error(error: ApiError | HTTPException, scope: Scope) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if error.status_code == 404:
        return not_found(scope["path"])
    if error.status_code == 405:
        return wrong_method(scope["path"], scope["method"], (error.headers or {})["Allow"])
    return ApiError(error.status_code, error.detail, headers=error.headers)


def _host_name(host: str) -> str:
    """Return the Host without its port."""
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return name.lower()
