"""The body of a request: received within limits, and parsed."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request as HttpRequest

from .errors import ApiError
from .service import Service

_Parsed = TypeVar("_Parsed")

_MAX_SECONDS = 30.0
_LONG_BYTES = 16_384
_CLOSE = {"Connection": "close"}


async def read_body(
    request: HttpRequest, service: Service, parse: Callable[[bytes, Service], _Parsed]
) -> _Parsed:
    """Return what a JSON body asks for; one that takes long to tokenize is parsed in a thread.

    A page of another site can make a browser send other media types, but not this one.

    Raises:
        ApiError: it is of another type, too large, too slow to arrive, or ``parse`` refuses it.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "The Content-Type must be application/json.")
    try:
        body = await asyncio.wait_for(_receive(request, service.limits.body_bytes), _MAX_SECONDS)
    except asyncio.TimeoutError:
        raise ApiError(
            408,
            f"The request body did not arrive within {_MAX_SECONDS:g} seconds. Send it again.",
            headers=_CLOSE,
        ) from None
    if len(body) < _LONG_BYTES:
        return parse(body, service)
    return await asyncio.to_thread(parse, body, service)


async def _receive(request: HttpRequest, limit: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise ApiError(
                413,
                f"The request body is larger than {limit} bytes. Split it into several requests.",
                headers=_CLOSE,
            )
    return bytes(body)
