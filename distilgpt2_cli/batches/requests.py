"""The lines of a batch file: requests, each with the id of its result."""

import codecs
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from ..serve.errors import ApiError
from ..serve.fields import Fields

COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
MAX_LINE_BYTES = 2**21
"""The longest line: twice the longest body that the server takes."""

_ID_DIGITS = 32


class Fault(NamedTuple):
    """Why a line is not a request: for a program, and for a person."""

    code: str
    message: str


class BatchRequest(NamedTuple):
    """A line of a batch file.

    Attributes:
        id: that of its result, which depends on the line and on what it is computed with.
        custom_id: the user's own id, None if the line has none.
        url: which of the two kinds of request it is.
        body: what the server would be sent.
        fault: why it is not a request, None if it is one.
    """

    id: str
    custom_id: str | None = None
    url: str = COMPLETIONS
    body: Mapping[str, Any] = {}
    fault: Fault | None = None


@dataclass(frozen=True)
class Settings:
    """What the results depend on besides the lines.

    Attributes:
        model: the name of the model.
        sha256: that of its file.
        parallel: the completions that are computed at once.
        adapters: the hashes of the model's adapters, each with its scale.
    """

    model: str
    sha256: str
    parallel: int
    adapters: Sequence[tuple[str, float]] = ()

    def id_of(self, number: int, line: bytes) -> str:
        """Return the id of the result of a line, which has another one in another run."""
        files = "+".join([self.sha256, *(f"{hash_}:{scale}" for hash_, scale in self.adapters)])
        head = f"{files} {self.parallel} {number} {self.model}\n".encode()
        return f"batch_req_{sha256(head + line).hexdigest()[:_ID_DIGITS]}"


class RequestLines:
    """Reads requests from lines, one after another.

    Attributes:
        count: the lines so far.
        empty: how many of them were empty.
    """

    def __init__(self, settings: Settings) -> None:
        """Begin with the first line of a file."""
        self._settings = settings
        self._seen: set[bytes] = set()  # of each custom_id a hash, which takes little memory
        self.count = 0
        self.empty = 0

    def accept(self, line: bytes | None) -> BatchRequest | None:
        """Return the request of the next line, None if that is empty.

        Args:
            line: with or without its end; None for one of over `MAX_LINE_BYTES`.
        """
        self.count += 1
        if line is not None:
            line = (line.removeprefix(codecs.BOM_UTF8) if self.count == 1 else line).strip()
            if not line:
                self.empty += 1
                return None
        id_ = self._settings.id_of(self.count, line or b"")
        custom_id: str | None = None
        try:
            fields = _fields(line)
            custom_id = str(_required(fields, "custom_id", str, "a string"))
            self._check_is_new(custom_id)
            url, body = _call(fields)
        except ApiError as error:
            fault = Fault(error.code or "invalid_request", error.message)
            return BatchRequest(id_, custom_id, fault=fault)
        return BatchRequest(id_, custom_id, url, body)

    def _check_is_new(self, custom_id: str) -> None:
        digest = sha256(custom_id.encode(errors="surrogatepass")).digest()[:16]
        if digest in self._seen:
            raise _fault(
                "duplicate_custom_id",
                f"An earlier line has the custom_id {json.dumps(custom_id[:100])}, too."
                " Give each request its own.",
            )
        self._seen.add(digest)


def _fields(line: bytes | None) -> Fields:
    if line is None:
        raise _fault(
            "line_too_long",
            f"The line is longer than {MAX_LINE_BYTES} bytes. Split it into several requests.",
        )
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise _fault("invalid_json_line", "The line is not valid JSON.") from None
    if not isinstance(record, dict):
        raise _fault("invalid_json_line", "The line is not a JSON object.")
    return Fields(record)


def _call(fields: Fields) -> tuple[str, Mapping[str, Any]]:
    method = _required(fields, "method", str, "a string")
    if method != "POST":
        raise _fault("invalid_method", "method must be POST.")
    url = _required(fields, "url", str, "a string")
    if url not in (COMPLETIONS, EMBEDDINGS):
        raise _fault("invalid_url", f"url must be {COMPLETIONS} or {EMBEDDINGS}.")
    body = _required(fields, "body", dict, "an object")
    fields.end()
    return url, body


def _required(fields: Fields, name: str, kind: type, in_words: str) -> Any:
    value = fields.take(name)
    if value is None:
        raise _fault("missing_required_parameter", f"Missing required parameter: {name}.")
    if not isinstance(value, kind):
        raise _fault("invalid_type", f"{name} must be {in_words}.")
    return value


def _fault(code: str, message: str) -> ApiError:
    return ApiError(400, message, code=code)
