"""Beam search beside transformers': from the same logits, and each with its own."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from distilgpt2_cli.engine import Context, GenerationOptions, Generator, Model, Request
from distilgpt2_cli.engine.bans import Bans
from distilgpt2_cli.engine.beams import BeamSearch
from tests.peers.transformers_peer import TransformersPeer

TOKENS = 24


class Found(NamedTuple):
    """A text that a search has found, and its score."""

    tokens: Sequence[int]
    score: float


def settings() -> list[GenerationOptions]:
    """Return searches that differ in every option of the pipeline."""
    several = itertools.product((4,), (0.0, 1.0, 2.0), (False, True), (0, 2))
    return [
        GenerationOptions(
            max_tokens=TOKENS,
            num_beams=beams,
            length_penalty=penalty,
            early_stopping=early,
            no_repeat_ngram_size=size,
        )
        for beams, penalty, early, size in several
    ]


def from_the_peer_s_logits(
    peer: TransformersPeer, model: Model, prompt: Sequence[int], options: GenerationOptions
) -> list[Found]:
    """Return what our search finds with the logits of transformers."""
    search = BeamSearch(options, TOKENS, model.end_tokens)
    while True:
        rows = []
        for beam in search.live:
            logits = peer.evaluate([*prompt, *beam.tokens]).logits[-1].astype(np.float64)
            logprobs = logits - np.logaddexp.reduce(logits)
            if options.bans:
                bans = Bans(model, [*prompt, *beam.tokens], options, None)
                logprobs[bans.tokens()] = -np.inf
            rows.append(logprobs)
        search.advance(np.array(rows))
        if search.is_over:
            return [Found(beam.tokens, beam.value) for beam in search.found]


def ours(model: Model, prompt: Sequence[int], options: GenerationOptions) -> list[Found]:
    """Return what `distil generate` finds."""
    with Context(model, len(prompt) + TOKENS, None, options.num_beams) as context:
        requests = [Request(prompt, 0)] * options.num_beams
        return [
            Found([token.id for token in completion], completion.score or 0.0)
            for completion in Generator(context, options).complete_all(requests)
        ]


def beams_lines(path: Path, prompts: Sequence[Sequence[int]], peer: TransformersPeer) -> list[str]:
    """Compare the best text of every search."""
    same = {"the same logits": 0, "its own": 0}
    differences = {name: [0.0] for name in same}
    count = 0
    with Model(path) as model:
        for prompt, options in itertools.product(prompts, settings()):
            expected = peer.search(prompt, options)
            ways: dict[str, Any] = {
                "the same logits": from_the_peer_s_logits(peer, model, prompt, options),
                "its own": ours(model, prompt, options),
            }
            count += 1
            for name, found in ways.items():
                if [list(each.tokens) for each in found] == [tokens for tokens, _ in expected]:
                    same[name] += 1
                    pairs = zip(found, expected, strict=True)
                    differences[name] += [abs(one.score - score) for one, (_, score) in pairs]
    return [
        f"beam search with {name}: the same beams in {same[name]} of {count} searches, their"
        f" scores at most {max(differences[name]):.1e} apart"
        for name in same
    ]
