"""The lens as JSON and as rows of a table."""

import math
from collections.abc import Iterator
from typing import Any

from ...terminal import Terminal
from ..shared.csv_table import CsvTable
from ..shared.record import model_record, piece_record, placement_record, versions_record
from .look import Look

LENS_COLUMNS = (
    "layer", "position", "id", "text", "bytes", "top_id", "top_text", "top_logprob",
    "rank", "logprob", "surprisal", "entropy",
)  # fmt: skip
ATTENTION_COLUMNS = (
    "layer", "head", "position", "id", "text", "bytes",
    "seen_position", "seen_id", "seen_text", "seen_bytes", "weight",
)  # fmt: skip


def lens_record(look: Look) -> dict[str, Any]:
    """Return the record of a text, with each token at each layer."""
    inside, placement = look.inside, look.model.placement
    return {
        "text": look.text,
        "tokens": {"text": len(inside.tokens), "left_out": look.left_out},
        "layers": look.model.layers,
        "heads": look.model.heads,
        "lens": [
            {"position": position}
            | piece_record(look.model, token)
            | {
                "layers": [
                    _cell(look, layer, position) for layer in range(len(inside.lens.top_ids))
                ]
            }
            for position, token in enumerate(inside.tokens)
        ],
        "attention": _attention(look),
        "model": model_record(look.file),
        "placement": placement_record(placement),
        "warnings": list(placement.warnings),
        "versions": versions_record(),
    }


def write_rows(terminal: Terminal, look: Look) -> None:
    """Print a row for each layer and token, or for each two tokens of a head."""
    if look.head is None:
        CsvTable(terminal, LENS_COLUMNS).write(_lens_rows(look))
    else:
        CsvTable(terminal, ATTENTION_COLUMNS).write(_attention_rows(look))


def _cell(look: Look, layer: int, position: int) -> dict[str, Any]:
    lens = look.inside.lens
    ids, logprobs = lens.top_ids[layer, position], lens.top_logprobs[layer, position]
    top = [
        piece_record(look.model, token) | {"logprob": logprob}
        for token, logprob in zip(ids.tolist(), logprobs.tolist(), strict=True)
    ]
    return {"layer": layer, "top": top} | _figures(look, layer, position)


def _figures(look: Look, layer: int, position: int) -> dict[str, Any]:
    """Return what is known of the token that comes next, and the entropy of all."""
    lens = look.inside.lens
    is_last = position == lens.ranks.shape[1]
    logprob = None if is_last else float(lens.logprobs[layer, position])
    return {
        "rank": None if is_last else int(lens.ranks[layer, position]),
        "logprob": logprob,
        "surprisal": None if logprob is None else -logprob / math.log(2),
        "entropy": float(lens.entropies[layer, position]),
    }


def _attention(look: Look) -> dict[str, Any] | None:
    """Return the weights of a head, a row for each token: those of itself and all before it."""
    if look.head is None:
        return None
    weights = [row[: place + 1].tolist() for place, row in enumerate(look.weights)]
    return {"layer": look.layer, "head": look.head, "weights": weights}


def _lens_rows(look: Look) -> Iterator[dict[str, Any]]:
    lens = look.inside.lens
    for layer in range(len(lens.top_ids)):
        for position, token in enumerate(look.inside.tokens):
            top = piece_record(look.model, int(lens.top_ids[layer, position, 0]))
            yield {
                "layer": layer,
                "position": position,
                **piece_record(look.model, token),
                "top_id": top["id"],
                "top_text": top["text"],
                "top_logprob": float(lens.top_logprobs[layer, position, 0]),
                **_figures(look, layer, position),
            }


def _attention_rows(look: Look) -> Iterator[dict[str, Any]]:
    tokens = [
        {"position": position, **piece_record(look.model, token)}
        for position, token in enumerate(look.inside.tokens)
    ]
    for place, row in enumerate(look.weights.tolist()):
        for seen, weight in zip(tokens[: place + 1], row, strict=False):
            yield {
                "layer": look.layer,
                "head": look.head,
                **tokens[place],
                **{f"seen_{name}": value for name, value in seen.items()},
                "weight": weight,
            }
