"""What to use instead of what this server does not have, such as the rest of OpenAI's API."""

from .errors import ApiError

_CHAT = (
    "the model continues texts, and does not chat",
    'Send the text so far as "prompt" to POST /v1/completions.',
)
_TEXT_ONLY = ("the model writes text only", "Use POST /v1/completions.")
_NO_FILES = (
    "it keeps no files",
    'Send all texts in one request to POST /v1/completions: "prompt" can be a list.',
)
_NO_BATCHES = (
    "it keeps no files",
    "Run a file of requests with `distil batch FILE`, which needs no server.",
)
_NO_TRAINING = (
    "it does not train models",
    "Train with another program, and serve the result with `distil serve --model FILE`.",
)
_INSTEAD = {
    "chat": _CHAT,
    "responses": _CHAT,
    "conversations": _CHAT,
    "assistants": _CHAT,
    "threads": _CHAT,
    "messages": _CHAT,
    "images": _TEXT_ONLY,
    "audio": _TEXT_ONLY,
    "videos": _TEXT_ONLY,
    "realtime": _TEXT_ONLY,
    "edits": ("the model only continues texts", "Use POST /v1/completions."),
    "engines": ("it has one model", "Use POST /v1/completions."),
    "moderations": (
        "the model can't judge texts",
        "Use a moderation service; this model's own texts need one too.",
    ),
    "files": _NO_FILES,
    "uploads": _NO_FILES,
    "batches": _NO_BATCHES,
    "containers": _NO_FILES,
    "vector_stores": (
        "it keeps no vectors",
        "Compute them with POST /v1/embeddings, and search them in your program.",
    ),
    "fine_tuning": _NO_TRAINING,
    "fine-tunes": _NO_TRAINING,
    "evals": ("it runs no evaluations", "Use POST /v1/completions with `logprobs` and `echo`."),
}
"""By the first part of the path after ``/v1/``: why it is not here, and what to use."""

_WITHOUT_VERSION = ("completions", "embeddings", "models")


def not_found(path: str) -> ApiError:
    """Return the error for a path that is nowhere on this server."""
    first, _, rest = path.strip("/").partition("/")
    kind = (rest if first == "v1" else first).partition("/")[0]
    shown = path[:200]
    if kind in _INSTEAD:
        reason, remedy = _INSTEAD[kind]
        message = f"This server does not have {shown}: {reason}. {remedy}"
    elif first in _WITHOUT_VERSION:
        message = f"There is nothing at {shown}. Use /v1/{path.strip('/')[:200]}."
    else:
        message = (
            f"There is nothing at {shown}. Use POST /v1/completions, POST /v1/embeddings or GET"
            " /v1/models."
        )
    return ApiError(404, message, code="unknown_url")


def wrong_method(path: str, method: str, allowed: str) -> ApiError:
    """Return the error for a path that needs another method."""
    return ApiError(
        405,
        f"{path[:200]} does not accept {method[:20]}. Use {allowed}.",
        headers={"Allow": allowed},
    )
