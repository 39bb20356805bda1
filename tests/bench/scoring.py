"""Scores of whole texts, beside the evaluation of the same texts by itself."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from distilgpt2_cli.engine import Evaluator, FeatureExtractor, Model, Scorer, measure, sliding
from tests.bench.finding import Finding, Turn, in_turns, of_turns

TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. "
WINDOWS, LINES, AT_ONCE, TURNS = 4, 64, 16, 5


def scoring(path: Path, file: str) -> Iterator[Finding]:
    """Group 8: perplexity in windows that overlap by half, and many short texts at once."""
    with Model(path) as model, Evaluator(model) as evaluator:
        tokens = model.tokenize(TEXT * 300)
        windows = list(sliding(tokens, evaluator.size, evaluator.size // 2))[:WINDOWS]

        def evaluate(wanted: Callable[[int], int]) -> None:
            for window in windows:
                for _ in evaluator.logits(window.tokens[:-1], wanted(window.scored)):
                    pass

        ways = {
            "perplexity": timed(lambda: list(measure(evaluator, iter(windows)))),
            "same logits": timed(lambda: evaluate(lambda scored: scored)),
            "last logits": timed(lambda: evaluate(lambda _: 1)),
        }
        turns = in_turns(ways, TURNS)
    yield of_turns(
        8,
        "speed of perplexity by that of the evaluation for the same logits (medians in s)",
        file,
        turns,
        lambda turn: turn["same logits"] / turn["perplexity"],
        0.85,
    )
    yield of_turns(
        8,
        "the same by that of the evaluation for the last token's logits only",
        file,
        turns,
        lambda turn: turn["last logits"] / turn["perplexity"],
    )
    yield from _lines(path, file)


def _lines(path: Path, file: str) -> Iterator[Finding]:
    texts = [TEXT[start % 40 : start % 40 + 40] for start in range(LINES)]
    with (
        Model(path) as model,
        Evaluator(model, sequences=AT_ONCE) as evaluator,
        Evaluator(model, sequences=AT_ONCE, hidden_states=True) as for_states,
    ):
        scorer = Scorer(evaluator)
        extractor = FeatureExtractor(for_states, "mean")
        scored = [scorer.tokens(text) for text in texts]
        tokens = [extractor.tokens(text) for text in texts]

        def score(at_once: int) -> None:
            for start in range(0, LINES, at_once):
                list(scorer.score_together(scored[start : start + at_once]))

        def extract(at_once: int) -> None:
            for start in range(0, LINES, at_once):
                list(extractor.extract(tokens[start : start + at_once]))

        ways = {
            "score, 1": timed(lambda: score(1)),
            f"score, {AT_ONCE}": timed(lambda: score(AT_ONCE)),
            "features, 1": timed(lambda: extract(1)),
            f"features, {AT_ONCE}": timed(lambda: extract(AT_ONCE)),
        }
        turns = in_turns(ways, TURNS)
    for what in ("score", "features"):
        name = f"lines/s of `{what} --lines --parallel {AT_ONCE}` by those one by one"
        yield of_turns(8, name, file, turns, partial(_gain, what))


def _gain(what: str, turn: Turn) -> float:
    return turn[f"{what}, 1"] / turn[f"{what}, {AT_ONCE}"]


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Return what does the work and returns the seconds that it took."""

    def seconds() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return seconds
