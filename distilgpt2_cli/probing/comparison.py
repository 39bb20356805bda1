"""Compares the variants of a prompt: next tokens, given continuations, and completions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ..engine import Model, Placement, Scorer
from ..engine.evaluate.evaluator import evaluator_for
from ..engine.evaluate.probabilities import Logprobs
from ..engine.options import completion_seed
from ..errors import UsageError
from .contrasts import Contrast, contrast, words_of
from .statistics import jensen_shannon
from .template import Variant


@dataclass(frozen=True)
class VariantDivergence:
    """How the next-token distributions of two variants differ.

    Attributes:
        first: the index of one variant.
        second: the index of the other.
        bits: their Jensen-Shannon divergence, from 0 to 1.
    """

    first: int
    second: int
    bits: float


@dataclass(frozen=True)
class NextToken:
    """A token with its log-probability in nats as the next one, after each variant."""

    id: int
    piece: bytes
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Continuation:
    """A given continuation with its log-probability in nats after each variant.

    Attributes:
        text: the text itself.
        tokens: how many tokens it has.
        logprobs: one for each variant, summed over its tokens.
    """

    text: str
    tokens: int
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Sample:
    """The completions of all variants with one seed.

    Attributes:
        seed: the seed of all of them.
        texts: one for each variant.
        finish_reasons: one for each variant.
        tokens: how many tokens each has.
    """

    seed: int
    texts: tuple[str, ...]
    finish_reasons: tuple[str, ...]
    tokens: tuple[int, ...]


@dataclass
class Comparison:
    """The results for the variants of a prompt.

    Attributes:
        variants: the variants to compare.
        prompt_tokens: how many tokens each variant's prompt has.
        next_tokens: the most likely ones, by their mean over the variants.
        divergences: of each pair of variants.
        continuations: the given texts.
        samples: completions, by seed.
        words: for each variant, the words over-represented in it, highest z first.
        interrupted: whether seeds or continuations are missing.
        seconds: how long the completions took.
        placement: where the model's layers were.
    """

    variants: Sequence[Variant]
    prompt_tokens: Sequence[int] = ()
    next_tokens: Sequence[NextToken] = ()
    divergences: Sequence[VariantDivergence] = ()
    continuations: list[Continuation] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    words: Sequence[Sequence[Contrast]] = ()
    interrupted: bool = False
    seconds: float = 0.0
    placement: Placement = field(default_factory=Placement)


def check_prompts(model: Model, variants: Sequence[Variant]) -> list[int]:
    """Return how many tokens each variant's prompt has.

    Raises:
        UsageError: one is longer than the context window.
    """
    counts = [max(len(model.tokenize(variant.prompt)), 1) for variant in variants]
    for variant, count in zip(variants, counts, strict=True):
        if count > model.window:
            raise UsageError(
                f"Variant {variant.label} has {count} tokens, more than the context window of"
                f" {model.window}.",
                "Shorten the prompt.",
            )
    return counts


def longest_of(model: Model, texts: Iterable[str]) -> int:
    """Return how many tokens the longest text has, 0 if there is none."""
    return max((len(model.tokenize_bytes(text.encode())) for text in texts), default=0)


def evaluate(model: Model, comparison: Comparison, top: int, threads: int | None) -> None:
    """Measure what needs the prompts only: next tokens, and divergences.

    Each prompt is evaluated alone, as by ``distil score``.

    Args:
        model: the model to evaluate.
        comparison: gets the results.
        top: how many next tokens to keep.
        threads: see `evaluator_for`.

    Raises:
        UsageError: a prompt is longer than the context window.
        DistilError: llama.cpp can't evaluate a text.
    """
    prompts = [variant.prompt for variant in comparison.variants]
    comparison.prompt_tokens = check_prompts(model, comparison.variants)
    with evaluator_for(model, max(comparison.prompt_tokens), threads) as evaluator:
        comparison.placement = evaluator.placement
        scorer = Scorer(evaluator)
        logprobs = np.array([scorer.next_logprobs(prompt) for prompt in prompts])
    comparison.divergences, comparison.next_tokens = _of_distributions(model, logprobs, top)


def _of_distributions(
    model: Model, logprobs: Logprobs, top: int
) -> tuple[list[VariantDivergence], list[NextToken]]:
    probabilities = np.exp(logprobs)
    divergences = [
        VariantDivergence(
            first, second, jensen_shannon(probabilities[first], probabilities[second])
        )
        for first, second in combinations(range(len(logprobs)), 2)
    ]
    # Of two that are equally likely, the one with the lower number comes first.
    order = np.argsort(-probabilities.mean(axis=0), kind="stable")[:top]
    tokens = [
        NextToken(
            int(token), model.piece(int(token), special=True), tuple(map(float, logprobs[:, token]))
        )
        for token in order
    ]
    return divergences, tokens


class Completions:
    """The completions so far, by variant and seed."""

    def __init__(self, variants: Sequence[Variant], seeds: Sequence[int]) -> None:
        """Have none yet."""
        self._variants = variants
        self._seeds = seeds
        self._found: dict[tuple[int, int], tuple[str, str, int]] = {}

    def add(self, place: tuple[int, int], text: str, finish_reason: str, tokens: int) -> None:
        """Take a completion; its place are the indices of its variant and its seed."""
        self._found[place] = text, finish_reason, tokens

    def samples(self) -> list[Sample]:
        """Return the samples of the seeds for which all variants were completed."""
        samples = []
        for index, seed in enumerate(self._seeds):
            places = [(number, index) for number in range(len(self._variants))]
            if all(place in self._found for place in places):
                texts, reasons, tokens = zip(*(self._found[place] for place in places), strict=True)
                samples.append(Sample(seed, texts, reasons, tokens))
        return samples


def seeds_from(first: int, count: int) -> list[int]:
    """Return seeds that count up from the first, as for several completions."""
    return [completion_seed(first, index) for index in range(count)]


def compare_words(comparison: Comparison, top: int, seed: int) -> None:
    """Find the words that are over-represented in each variant's completions.

    Args:
        comparison: has the samples, and gets the words.
        top: how many words to keep for each variant.
        seed: the seed of the bootstrap.
    """
    counts = [
        [
            words_of(variant.prompt, sample.texts[number], cut=_is_cut(sample, number))
            for sample in comparison.samples
        ]
        for number, variant in enumerate(comparison.variants)
    ]
    totals = [sum(of_one_seed, Counter[str]()) for of_one_seed in zip(*counts, strict=True)]
    comparison.words = [
        contrast(own, [total - each for total, each in zip(totals, own, strict=True)], top, seed)
        for own in counts
    ]


def _is_cut(sample: Sample, number: int) -> bool:
    return sample.finish_reasons[number] == "length"
