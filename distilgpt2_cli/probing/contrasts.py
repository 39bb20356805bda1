"""Words that one set of texts uses more than another, with statistics."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .statistics import (
    Counts,
    Interval,
    Numbers,
    log_odds,
    percentile_intervals,
    prior_of,
    resampled_sums,
)

_WORD = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*")
_WORDS_AT_ONCE = 256  # in the bootstrap, to limit its memory


@dataclass(frozen=True)
class Contrast:
    """A word that is over-represented.

    Attributes:
        word: in lower case.
        count: how often it occurs in the texts.
        other_count: how often it occurs in the other texts.
        log_odds: how over-represented it is, see `log_odds`.
        interval: of ``log_odds``, from 95% of resamples of the paired texts.
        z: ``log_odds`` divided by its standard deviation.
    """

    word: str
    count: int
    other_count: int
    log_odds: float
    interval: Interval
    z: float


def words_of(prompt: str, text: str, *, cut: bool) -> Counter[str]:
    """Count the words of a completion, in lower case.

    A word is letters and digits, with apostrophes and hyphens between them. What continues the
    last word of the prompt is no word of its own, and where the completion was ``cut`` in or
    after a word, that word may not be whole: neither is counted.
    """
    matches = list(_WORD.finditer(text))
    if matches and matches[0].start() == 0 and _WORD.fullmatch(prompt[-1:]):
        del matches[0]
    if cut and matches and matches[-1].end() == len(text):
        del matches[-1]
    return Counter(match.group().lower() for match in matches)


def contrast(
    own: Sequence[Counter[str]], other: Sequence[Counter[str]], top: int, seed: int
) -> list[Contrast]:
    """Return the words of some texts that are over-represented against others, highest z first.

    The prior has the words in the proportions of all texts together.

    Args:
        own: the words of each text.
        other: the words of each text's partner; resampling draws both or neither.
        top: the maximum number of words.
        seed: the seed of the bootstrap.
    """
    own_sum, other_sum = sum(own, Counter[str]()), sum(other, Counter[str]())
    all_words = own_sum + other_sum
    if len(all_words) < 2:
        return []  # the odds of a single word are infinite
    words = sorted(all_words)
    background = np.array([all_words[word] for word in words], np.float64)
    prior = prior_of(background, all_words.total())
    found = log_odds(_counts(own_sum, words), _counts(other_sum, words), prior)
    # Words with the same z in alphabetical order.
    order = [int(place) for place in np.argsort(-found.z, kind="stable")]
    chosen = [place for place in order if found.z[place] > 0][:top]
    shown = [words[place] for place in chosen]
    intervals: list[Interval] = []
    for start in range(0, len(shown), _WORDS_AT_ONCE):
        part = slice(start, start + _WORDS_AT_ONCE)
        prior_part = Counts(prior.words[chosen[part]], prior.total)
        intervals += _intervals(own, other, shown[part], prior_part, seed)
    return [
        Contrast(
            words[place],
            own_sum[words[place]],
            other_sum[words[place]],
            float(found.difference[place]),
            interval,
            float(found.z[place]),
        )
        for place, interval in zip(chosen, intervals, strict=True)
    ]


def _counts(counter: Counter[str], words: Sequence[str]) -> Counts:
    return Counts(np.array([counter[word] for word in words], np.float64), counter.total())


def _intervals(
    own: Sequence[Counter[str]],
    other: Sequence[Counter[str]],
    words: Sequence[str],
    prior: Counts,
    seed: int,
) -> list[Interval]:
    sums = resampled_sums(np.hstack([_table(own, words), _table(other, words)]), seed)
    width = len(words)
    own_counts = Counts(sums[:, :width], sums[:, width])
    other_counts = Counts(sums[:, width + 1 : -1], sums[:, -1])
    return percentile_intervals(log_odds(own_counts, other_counts, prior).difference)


def _table(counters: Sequence[Counter[str]], words: Sequence[str]) -> Numbers:
    """Return a row per text: the count of each word, and the count of all words."""
    rows = [[*(counter[word] for word in words), counter.total()] for counter in counters]
    return np.array(rows, np.float64)
