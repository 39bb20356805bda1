"""Failures as OpenAI's API tells them."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    504: "timeout_error",
}


class ApiError(Exception):
    """A request that is not answered as asked.

    Attributes:
        status: of HTTP.
        message: for a person.
        param: the field that is wrong, if one is.
        code: for a program.
        headers: to send with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take everything that is told; the type follows from the status."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers

    @property
    def record(self) -> dict[str, Any]:
        """The object that stands in the body, or in an event of a stream."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    @property
    def response(self) -> Response:
        """The whole answer."""
        body = json.dumps(self.record) + "\n"
        return Response(body, self.status, self.headers, media_type="application/json")


def invalid(param: str, message: str, code: str | None = None) -> ApiError:
    """Return the error of a field that can't be obeyed."""
    return ApiError(400, message, param=param, code=code)
