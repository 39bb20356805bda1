"""The page of a text: one HTML document that loads nothing, with its script and its data within.

Its parts are separate files, so that editors and people can read them.
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import __version__
from ...errors import UsageError
from ...files import new_file
from ...terminal.sanitize import visible
from ...units import format_bytes
from ..shared.adapters import name_with_adapters
from ..shared.page import filled, policy_hash, readable, title_of
from ..shared.record import hashes_text
from .look import Look

if TYPE_CHECKING:
    from ...engine import Model

MOST_BYTES = 20_000_000
"""Of the attention in a page: more makes browsers slow."""

_FOLDER = Path(__file__).parent
_LEVELS = 2**16 - 1  # an attention weight is stored in two bytes


def check_size(model: "Model", tokens: int) -> None:
    """Make sure that the attention of a text is not too large for a page.

    Raises:
        UsageError: it is.
    """
    size = _attention_bytes(model, tokens)
    if size > MOST_BYTES:
        most = next(
            n for n in range(tokens, 0, -1) if _attention_bytes(model, n) <= MOST_BYTES or n == 1
        )
        raise UsageError(
            f"A page of {tokens} tokens would have {format_bytes(size)} of attention.",
            f"Use a text of at most {most} tokens, or --npz.",
        )


def write_page(look: Look, path: Path, *, force: bool) -> None:
    """Write the page.

    Raises:
        DistilError: it can't be written.
    """
    with new_file(path, force=force) as part:
        part.write_text(page(look), encoding="utf-8")


def page(look: Look) -> str:
    """Return the HTML document."""
    style, script = _read("page.css"), _read("page.js")
    # The policy allows this style and this script, and lets no script turn a text into HTML
    # (https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/).
    policy = (
        f"default-src 'none'; script-src {policy_hash(script)}; style-src {policy_hash(style)};"
        " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script';"
        " trusted-types 'none'"
    )
    parts = {
        "policy": policy,
        "title": title_of(look.text) or "the empty text",
        "model": readable(name_with_adapters(look.file)),
        "sha256": readable(hashes_text(look.file)),
        "program": readable(f"distil {__version__}"),
        "style": style,
        "script": script,
        "data": _data(look),
        "weights": _weights(look),
    }
    return filled(_read("page.html"), parts)


def _data(look: Look) -> str:
    """Return what the script shows, as JSON that no HTML parser takes for markup."""
    lens = look.inside.lens
    shown = sorted({*look.inside.tokens, *np.unique(lens.top_ids).tolist()})
    places = {token: place for place, token in enumerate(shown)}
    data = {
        "layers": look.model.layers,
        "heads": look.model.heads,
        "leftOut": look.left_out,
        "tokens": [places[token] for token in look.inside.tokens],
        "texts": [visible(look.quoted(token)) for token in shown],
        "top": [
            [[places[token] for token in cell] for cell in row] for row in lens.top_ids.tolist()
        ],
        "shares": _rounded(np.exp(lens.top_logprobs)),
        "ranks": lens.ranks.tolist(),
        "nextShares": _rounded(np.exp(lens.logprobs)),
        "entropies": _rounded(lens.entropies),
    }
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _rounded(values: Any) -> Any:
    """Return numbers in as many digits as the page shows."""
    return np.round(values, 5).tolist()


def _weights(look: Look) -> str:
    """Return the attention of all heads: for each token the weights up to its own, in base64.

    A weight is a 16-bit number, the lower byte first; 65535 stands for 1.
    """
    attentions = look.inside.attentions
    assert attentions is not None
    rows, columns = np.tril_indices(len(look.inside.tokens))
    halves = np.round(attentions[:, :, rows, columns] * _LEVELS).astype("<u2")
    return b64encode(halves.tobytes()).decode()


def _attention_bytes(model: "Model", tokens: int) -> int:
    """Return the size of `_weights`."""
    weights = model.layers * model.heads * tokens * (tokens + 1) // 2
    return -(-2 * weights // 3) * 4


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
