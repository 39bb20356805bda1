"""A trigram model with modified Kneser-Ney smoothing, the baseline of the evaluation.

Interpolated form, as in Chen and Goodman, 1999, "An empirical study of smoothing techniques for
language modeling", section 3 (https://doi.org/10.1006/csla.1999.0128). The last step of the
back-off is the uniform distribution, so that every token of the vocabulary has a probability.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

Ngram = tuple[int, ...]


class KneserNeyModel:
    """An n-gram model over token ids.

    Args:
        texts: token sequences; each starts with the token that is given, not predicted.
        order: n, at least 2.
        vocabulary_size: number of tokens that share the probability.
    """

    def __init__(self, texts: Iterable[Sequence[int]], order: int, vocabulary_size: int) -> None:
        """Count the n-grams of ``texts`` and estimate the discounts."""
        self.order = order
        self.vocabulary_size = vocabulary_size
        counts: Counter[Ngram] = Counter()
        for text in texts:
            padded = self._pad(text)
            for end in range(order, len(padded) + 1):
                counts[tuple(padded[end - order : end])] += 1
        # Below the highest order an n-gram counts as often as it has different left neighbours.
        self._counts: dict[int, Counter[Ngram]] = {order: counts}
        for length in range(order - 1, 0, -1):
            self._counts[length] = Counter(ngram[1:] for ngram in self._counts[length + 1])
        self._discounts = {n: _discounts(c.values()) for n, c in self._counts.items()}
        self._totals: dict[Ngram, int] = defaultdict(int)
        self._discounted: dict[Ngram, float] = defaultdict(float)
        for length, ngrams in self._counts.items():
            for ngram, count in ngrams.items():
                self._totals[ngram[:-1]] += count
                self._discounted[ngram[:-1]] += self._discounts[length][min(count, 3)]

    def _pad(self, text: Sequence[int]) -> list[int]:
        return [text[0]] * (self.order - 2) + list(text)

    def probability(self, context: Ngram, token: int) -> float:
        """Return P(token | context) for a context of at most ``order`` - 1 tokens."""
        lower = self.probability(context[1:], token) if context else 1 / self.vocabulary_size
        total = self._totals.get(context, 0)
        if total == 0:
            return lower
        length = len(context) + 1
        count = self._counts[length].get((*context, token), 0)
        kept = count - self._discounts[length][min(count, 3)]
        return (kept + self._discounted[context] * lower) / total

    def negative_log_likelihood(self, text: Sequence[int]) -> float:
        """Return -ln P(text[1:] | text[0]), in nats."""
        padded = self._pad(text)
        first = self.order - 1
        return -sum(
            math.log(self.probability(tuple(padded[i - first : i]), padded[i]))
            for i in range(first, len(padded))
        )


def _discounts(counts: Iterable[int]) -> tuple[float, float, float, float]:
    """Return D(0) = 0, D(1), D(2), D(3+), equation 17 of Chen and Goodman."""
    frequency = Counter(counts)
    n1, n2, n3, n4 = (max(1, frequency[k]) for k in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    return 0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
