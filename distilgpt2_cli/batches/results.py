"""The lines of a file of results."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..serve.errors import ApiError
from .requests import BatchRequest, Fault


class Result(NamedTuple):
    """The result of a request.

    Attributes:
        line: what is written, with its line end.
        failed: whether it is an error.
    """

    line: str
    failed: bool


class Known(NamedTuple):
    """What a written result says.

    Attributes:
        id: of the result; None if it has none.
        failed: whether it is an error.
    """

    id: str | None
    failed: bool


def answered(request: BatchRequest, body: Mapping[str, Any], status: int = 200) -> Result:
    """Return the result of a request that the server would answer with this status and body."""
    response = {"status_code": status, "request_id": request.id, "body": body}
    return _result(request, response, None)


def refused(request: BatchRequest, error: ApiError) -> Result:
    """Return the result of a request whose body is refused, or that failed."""
    return answered(request, error.record, error.status)


def not_a_request(request: BatchRequest, fault: Fault) -> Result:
    """Return the result of a line that is not a request."""
    return _result(request, None, fault._asdict())


def known(line: bytes) -> Known | None:
    """Return what a line says that was written as a result, None if it is something else."""
    try:
        record = json.loads(line.decode())
        response = record["response"]
        return Known(record.get("id"), response is None or response["status_code"] != 200)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None


def beginning(request: BatchRequest) -> bytes:
    """Return what the result of a request begins with, whatever it is."""
    return json.dumps({"id": request.id}).encode()[:-1]


def _result(
    request: BatchRequest, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
) -> Result:
    record = {
        "id": request.id,
        "custom_id": request.custom_id,
        "response": response,
        "error": error,
    }
    failed = response is None or response["status_code"] != 200
    return Result(json.dumps(record, allow_nan=False) + "\n", failed)
