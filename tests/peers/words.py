"""The surprisal of words beside minicons and surprisal, on transformers with the same weights."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from distilgpt2_cli.engine import Evaluator, Model, Scorer
from distilgpt2_cli.engine.evaluate.places import places_of
from distilgpt2_cli.engine.evaluate.words import Part, WordScorer, words_in
from tests.peers.transformers_peer import TransformersPeer

# One sentence each, as in an experiment: minicons has a word wherever a space is.
SENTENCES = (
    "The old man the boat, she said.",
    "When the dog scratched the vet and his new assistant removed the muzzle.",
    "The complex houses married and single soldiers and their families.",
    "Unbelievably, Lily's naïve frog re-entered the café (again)!",
    "In 1969, three men flew 384,400 km.",
    "Он сказал: «Всю ночь шёл дождь».",
)
PADDING = 43453  # " SolidGoldMagikarp"


def ours(
    evaluator: Evaluator, text: str, *, plain: bool, peer: TransformersPeer | None = None
) -> list[float]:
    """Return the surprisal in nats of each word of a text; with a peer, from its logits."""
    words = WordScorer(evaluator.model, plain=plain)
    score = Scorer(evaluator, wanted=words.wanted).score(text)
    places = score.places
    if peer:
        start = evaluator.model.start_token
        rows = peer.evaluate([start, *score.tokens]).logits.astype(np.float32)
        contexts = np.arange(1, len(rows) + 1)
        places = places_of(rows, [*score.tokens, start], contexts, words.wanted)
    assert places is not None
    part = Part(score.tokens, places, goes_on=False)
    return [-(word.logprob or 0) for word in words.words(text, words_in(text), part)]


def by_minicons(peer: TransformersPeer, text: str, *, plain: bool) -> list[float]:
    """Return the same from minicons, after the start token."""
    from minicons.scorer import IncrementalLMScorer

    scorer: Any = IncrementalLMScorer(peer.model, "cpu", tokenizer=peer.tokenizer)
    (scores,) = scorer.word_score_tokenized(
        [text],
        tokenize_function=str.split,
        bow_correction=not plain,
        bos_token=True,
        surprisal=True,
    )
    return [float(surprisal) for _, surprisal in scores]


def by_surprisal(peer: TransformersPeer, text: str) -> list[float]:
    """Return the same from surprisal, which adds up tokens by their characters."""
    from surprisal import CausalHuggingFaceModel

    # Its constructor would load other weights, and pad with the end token, which it takes out of
    # each distribution: here, a token that is never likely.
    model: Any = object.__new__(CausalHuggingFaceModel)
    model.model, model.tokenizer, model.device = peer.model, peer.tokenizer, "cpu"
    model.tokenizer.pad_token_id = PADDING
    (scored,) = model.surprise([text], use_bos_token=True)
    return [float(scored[span.start : span.end]) for span in words_in(text)]


def words_lines(path: Path, peer: TransformersPeer) -> Iterator[str]:
    """Yield the greatest difference to each of the others."""
    # surprisal loses track of characters that have several tokens.
    simple = [text for text in SENTENCES if text.isascii()]
    with Model(path) as model, Evaluator(model) as evaluator:
        for name, plain, texts, theirs in (
            ("minicons", False, SENTENCES, partial(by_minicons, plain=False)),
            ("minicons, plain", True, SENTENCES, partial(by_minicons, plain=True)),
            ("surprisal, plain", True, simple, by_surprisal),
        ):
            expected = np.concatenate([theirs(peer, text) for text in texts])
            for logits, other in (("", None), (" from the same logits", peer)):
                own = [ours(evaluator, text, plain=plain, peer=other) for text in texts]
                differences = np.abs(np.concatenate(own) - expected)
                yield (
                    f"surprisal of {len(expected)} words{logits}, to {name}: at most"
                    f" {differences.max():.1e} nats, {(differences / expected).max():.1e} of it"
                )
