"""How tokens are shown: in a table, and in JSON."""

import json
import math
from typing import Any

from ...engine import Candidate, Model


def quoted(piece: bytes) -> str:
    """Return the bytes of a token as a quoted string; those that are not UTF-8 as escapes."""
    try:
        return json.dumps(piece.decode(), ensure_ascii=False)
    except UnicodeDecodeError:
        return repr(piece)


def finite(value: float | None) -> float | None:
    """Return a number as JSON has it, which has no infinity: None for that."""
    return value if value is not None and math.isfinite(value) else None


def piece_record(model: Model, token: int) -> dict[str, Any]:
    """Return what JSON says of a token: its id, its text, and its bytes as numbers.

    The text has U+FFFD for bytes that are not UTF-8 by themselves.
    """
    piece = model.piece(token, special=True)
    return {"id": token, "text": piece.decode(errors="replace"), "bytes": list(piece)}


def candidate_record(model: Model, candidate: Candidate) -> dict[str, Any]:
    """Return what JSON says of a token that may come next, or has come."""
    return piece_record(model, candidate.id) | {
        "logprob": candidate.logprob,
        "sampled_logprob": candidate.sampled_logprob,
    }
