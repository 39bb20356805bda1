"""The parts of JSON and tables that several commands have in common."""

import json
import math
import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...models import AdapterFile, ModelFile, sha256

if TYPE_CHECKING:
    from ...engine import Candidate, Generator, Model, Placement, Token


def quoted(piece: bytes) -> str:
    """Return the bytes of a token as a quoted string; those that are not UTF-8 as escapes."""
    try:
        return json.dumps(piece.decode(), ensure_ascii=False)
    except UnicodeDecodeError:
        return repr(piece)


def finite(value: float | None) -> float | None:
    """Return a number, or None for infinity, which JSON does not have."""
    return value if value is not None and math.isfinite(value) else None


def piece_record(model: "Model", token: int) -> dict[str, Any]:
    """Return the JSON record of a token: its id, its text, and its bytes as numbers.

    The text has U+FFFD for bytes that are not UTF-8 by themselves.
    """
    piece = model.piece(token, special=True)
    return {"id": token, "text": piece.decode(errors="replace"), "bytes": list(piece)}


def candidate_record(model: "Model", candidate: "Candidate") -> dict[str, Any]:
    """Return the JSON record of a possible next token, or of one that was drawn."""
    return piece_record(model, candidate.id) | {
        "logprob": candidate.logprob,
        "sampled_logprob": candidate.sampled_logprob,
    }


def logprob_records(generator: "Generator", tokens: "Sequence[Token]") -> Iterator[dict[str, Any]]:
    """Yield the JSON record of how likely each token was."""
    model = generator.context.model
    for token in tokens:
        if token.observation:
            drawn, top, _ = token.observation
            yield candidate_record(model, drawn) | {
                "top": [candidate_record(model, candidate) for candidate in top]
            }


def client_name(file: ModelFile) -> str:
    """Return a model's name for clients: text, also where that of its file is not UTF-8."""
    name = file.name.rpartition("/")[2].removesuffix(".gguf")
    return os.fsencode(name).decode(errors="replace")


@cache
def model_record(file: ModelFile) -> dict[str, Any]:
    """Return the JSON record of the model of a command, whose files are hashed at most once."""
    return file_record(file) | {"adapters": [_adapter_record(each) for each in file.adapters]}


def hashes_text(file: ModelFile) -> str:
    """Return the SHA-256 of a model file, and of each of its adapters, for people."""
    record = model_record(file)
    adapters = (f", {each['name']} {each['sha256']}" for each in record["adapters"])
    return str(record["sha256"]) + "".join(adapters)


@cache
def _adapter_record(adapter: AdapterFile) -> dict[str, Any]:
    return {
        "name": adapter.name,
        "path": str(adapter.path),
        "sha256": sha256(adapter.path),
        "scale": adapter.scale,
    }


@cache
def file_record(file: ModelFile) -> dict[str, str | None]:
    """Return the JSON record of a model file, which is hashed at most once per run."""
    return {
        "name": file.name,
        "path": str(file.path),
        "repository": file.repository,
        "revision": file.revision,
        "sha256": file.sha256 or sha256(file.path),
    }


def placement_record(placement: "Placement") -> dict[str, Any]:
    """Return the JSON record of where a model's layers are."""
    return {
        "layers": dict(placement.layers),
        "device_bytes": dict(placement.device_bytes),
        "refusal": placement.refusal,
    }


@cache
def versions_record() -> dict[str, str]:
    """Return the versions of distil and of what generates the text."""
    from ...engine import versions

    return {"distil": __version__, **versions()}
