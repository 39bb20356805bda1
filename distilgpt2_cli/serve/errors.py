"""Errors in the format of OpenAI's API."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DistilError

if TYPE_CHECKING:
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
    """A request that is refused, or that failed.

    Attributes:
        status: the HTTP status.
        message: for a person.
        param: the field that is wrong, or None.
        code: for a program, or None.
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
        """Take all parts of the error; its type follows from the status."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers

    @property
    def record(self) -> dict[str, Any]:
        """The JSON object of the response body, or of an event in a stream."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    @property
    def response(self) -> "Response":
        """The whole HTTP response."""
        from starlette.responses import Response  # it is of an extra, and a batch does without it

        body = json.dumps(self.record) + "\n"
        return Response(body, self.status, self.headers, media_type="application/json")


def invalid(param: str, message: str, code: str | None = None) -> ApiError:
    """Return the error of a field with a wrong value."""
    return ApiError(400, message, param=param, code=code)


def failed(error: Exception) -> ApiError:
    """Return the error of a request that could not be answered."""
    if isinstance(error, DistilError):
        return ApiError(500, str(error))
    return ApiError(500, f"Unexpected error in the server: {type(error).__name__}: {error}.")
