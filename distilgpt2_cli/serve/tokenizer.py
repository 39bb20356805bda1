"""The tokenizer's paths, as vLLM and llama.cpp's server have them."""

from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse

from .body import read_body
from .errors import invalid
from .fields import Fields, is_tokens
from .parameters import check_model
from .service import Service


async def tokenizer_info(service: Service, _request: HttpRequest) -> JSONResponse:
    """Return the names of the special tokens, and the size of vocabulary and window."""
    model = service.model
    names = [
        None if token is None else model.piece(token, special=True).decode(errors="replace")
        for token in (model.start_token, model.end_token)
    ]
    return JSONResponse(
        {
            "model": service.name,
            "bos_token": names[0],
            "eos_token": names[1],
            "pad_token": None,
            "unk_token": None,
            "add_bos_token": model.added_start_token is not None,
            "vocab_size": model.vocabulary_size,
            "model_max_length": service.scheduler.window,
            "chat_template": None,
        }
    )


async def tokenize(service: Service, request: HttpRequest) -> JSONResponse:
    """Return the tokens of a text, in which the names of special tokens stand for them.

    Raises:
        ApiError: the request is refused.
    """
    return JSONResponse(await read_body(request, service, _tokenized))


async def detokenize(service: Service, request: HttpRequest) -> JSONResponse:
    """Return the text of tokens, with U+FFFD for bytes that are not UTF-8.

    Raises:
        ApiError: the request is refused.
    """
    return JSONResponse(await read_body(request, service, _detokenized))


def _tokenized(body: bytes, service: Service) -> dict[str, Any]:
    """Read vLLM's ``prompt`` and ``add_special_tokens``, or llama.cpp's ``content`` and so on."""
    model, fields = service.model, Fields.of_body(body)
    check_model(fields, service)
    prompt, content = fields.take("prompt"), fields.take("content")
    text = content if prompt is None else prompt
    if not isinstance(text, str):
        raise invalid("prompt", "prompt must be a string.")
    adds_start = fields.boolean("add_special_tokens", prompt is not None)
    adds_start = fields.boolean("add_special", adds_start)
    parses = fields.boolean("parse_special", True)
    with_pieces = fields.boolean("return_token_strs") or fields.boolean("with_pieces")
    try:
        tokens = model.tokenize_bytes(text.encode(), parse_special=parses)
    except UnicodeEncodeError:
        raise invalid("prompt", "prompt is not valid text: it has an unpaired surrogate.") from None
    start = model.added_start_token
    if adds_start and start is not None:
        tokens = [start, *tokens]
    strings = [model.piece(token, special=True).decode(errors="replace") for token in tokens]
    return {
        "count": len(tokens),
        "max_model_len": service.scheduler.window,
        "tokens": tokens,
        "token_strs": strings if with_pieces else None,
    }


def _detokenized(body: bytes, service: Service) -> dict[str, str]:
    model, fields = service.model, Fields.of_body(body)
    check_model(fields, service)
    tokens = fields.take("tokens")
    if tokens != [] and not is_tokens(tokens):
        raise invalid("tokens", "tokens must be a list of token ids.")
    if not all(0 <= token < model.vocabulary_size for token in tokens):
        raise invalid("tokens", f"Token ids must be from 0 to {model.vocabulary_size - 1}.")
    pieces = (model.piece(int(token), special=True) for token in tokens)
    text = b"".join(pieces).decode(errors="replace")
    return {"prompt": text, "content": text}
