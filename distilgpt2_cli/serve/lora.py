"""``/lora-adapters``: the adapters and their scales, as llama.cpp's server has it."""

import json
import os
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse

from .adapters import scales_of
from .body import read_body
from .errors import ApiError
from .service import Service


async def adapters(service: Service, request: HttpRequest) -> JSONResponse:
    """Return the adapters, with the scales of requests that name none, or set these scales.

    Raises:
        ApiError: the request is refused.
    """
    if request.method == "POST":
        value = await read_body(request, service, _parsed)
        service.scales = scales_of(value, len(service.scales))
        return JSONResponse({"success": True})
    model = service.model
    return JSONResponse(
        [
            {
                "id": number,
                "path": os.fsencode(adapter.path).decode(errors="replace"),
                "scale": scale,
                "task_name": model.adapter_text(number, "adapter.lora.task_name"),
                "prompt_prefix": model.adapter_text(number, "adapter.lora.prompt_prefix"),
            }
            for number, (adapter, scale) in enumerate(
                zip(model.adapters, service.scales, strict=True)
            )
        ]
    )


def _parsed(body: bytes, _service: Service) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "The request body is not valid JSON.", code="invalid_json") from None
