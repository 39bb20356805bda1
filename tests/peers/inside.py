"""What is computed on the way, in `distil lens`, in transformers and in NumPy."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from distilgpt2_cli.engine import Model, look_inside
from tests.peers.transformers_peer import TransformersPeer
from tests.support.gguf_tensors import Array
from tests.support.numpy_gpt2 import ReferenceGPT2, ReferenceInside, log_softmax

TOKENS = 128
"""Logits of all layers take hundreds of megabytes."""


class _Seen(NamedTuple):
    """What is compared: an array for each figure, scaled so that 1 is the largest amount.

    Hidden states are divided by the largest amount of their place, and log-probabilities by that of
    all tokens there.
    """

    hidden_states: Array
    attention: Array
    lens: Array


def inside_lines(path: Path, tokens: Sequence[int], peer: TransformersPeer) -> Iterator[str]:
    """Compare all layers of the beginning of a text.

    Of the lens, it is the log-probabilities of the five most likely tokens of each place.
    """
    tokens = tokens[:TOKENS]
    with Model(path) as model:
        ours = look_inside(model, tokens)
    assert ours.attentions is not None
    top = ours.lens.top_ids
    reference = ReferenceGPT2.from_file(path).look_inside(tokens)
    states = np.abs(reference.hidden_states).max(-1, keepdims=True)
    logprobs = np.stack(
        [np.abs(log_softmax(rows)).max(-1, keepdims=True) for rows in reference.lens]
    )
    found = {
        "distil": _Seen(
            ours.hidden_states / states,
            ours.attentions.astype(np.float64),
            ours.lens.top_logprobs / logprobs,
        ),
        "transformers": _seen(peer.look_inside(tokens), top, states, logprobs),
        "NumPy": _seen(reference, top, states, logprobs),
    }
    pairs = (("distil", "transformers"), ("distil", "NumPy"), ("transformers", "NumPy"))
    for number, figure in enumerate(_Seen._fields):
        differences = (
            f"{one} to {other} {np.abs(found[one][number] - found[other][number]).max():.1e}"
            for one, other in pairs
        )
        yield f"{figure.replace('_', ' ')} of {len(top)} layers: {', '.join(differences)}"


def _seen(inside: ReferenceInside, top: Any, states: Array, logprobs: Array) -> _Seen:
    rows = np.stack([log_softmax(np.asarray(each, np.float64)) for each in inside.lens])
    lens = np.take_along_axis(rows, top, axis=-1)
    return _Seen(inside.hidden_states / states, inside.attentions, lens / logprobs)
