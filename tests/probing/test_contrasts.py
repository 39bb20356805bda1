"""Words that set texts apart, and their intervals."""

import math
from collections import Counter

import numpy as np
import pytest

from distilgpt2_cli.probing.contrasts import contrast, words_of
from distilgpt2_cli.probing.statistics import ALPHA_0

OWN = [Counter(text.split()) for text in ("he is a king", "he had a crown", "a king he was")]
OTHER = [Counter(text.split()) for text in ("she is a queen", "she had a cat", "a queen was he")]


def test_words_and_figures() -> None:
    found = contrast(OWN, OTHER, top=3, seed=1)
    assert [(each.word, each.count, each.other_count) for each in found] == [
        ("king", 2, 0),
        ("he", 3, 1),
        ("crown", 1, 0),
    ]
    alpha = ALPHA_0 * 2 / 24
    odds = (2 + alpha) / (12 + ALPHA_0 - 2 - alpha) / (alpha / (12 + ALPHA_0 - alpha))
    assert found[0].log_odds == pytest.approx(math.log(odds))
    assert found[0].z == pytest.approx(math.log(odds) / math.sqrt(1 / (2 + alpha) + 1 / alpha))


def test_the_interval_as_a_loop() -> None:
    """Draws pairs of texts; the prior stays that of all texts."""
    (king, *_) = contrast(OWN, OTHER, top=3, seed=5)
    random = np.random.default_rng(5)
    alpha, figures = ALPHA_0 * 2 / 24, []
    for _ in range(1000):
        drawn = np.repeat(range(3), random.multinomial(3, [1 / 3] * 3))
        a = sum(OWN[each]["king"] for each in drawn) + alpha
        b = sum(OTHER[each]["king"] for each in drawn) + alpha
        n = 12 + ALPHA_0
        figures.append(math.log(a / (n - a)) - math.log(b / (n - b)))
    figures.sort()
    assert king.interval == pytest.approx((figures[25], figures[974]), abs=1e-6)


def test_as_many_words_as_there_are() -> None:
    both = contrast(OWN, OTHER, 100, 1) + contrast(OTHER, OWN, 100, 1)
    words = [each.word for each in both]
    assert len(words) == len(set(words))
    assert set(words) == {"king", "he", "crown", "queen", "she", "cat"}
    many = [Counter({f"word{number}": 1 for number in range(300)}), Counter({"other": 3})]
    assert len(contrast(many[:1], many[1:], 1000, 1)) == 300
    first = contrast(many[:1], many[1:], 1000, 1)
    assert [each.word for each in first] == sorted(each.word for each in first)


@pytest.mark.parametrize(
    ("own", "other"),
    [([], []), ([Counter()], [Counter()]), ([Counter({"a": 3})], [Counter({"a": 2})])],
)
def test_nothing_to_compare(own: list[Counter[str]], other: list[Counter[str]]) -> None:
    assert contrast(own, other, 10, 1) == []


def test_one_side_without_a_word() -> None:
    found = contrast([Counter("ab")], [Counter()], 10, 1)
    assert all(math.isfinite(each.z) for each in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" salesman at a McDonald's, a salesman.", "salesman at a mcdonald's a salesman"),
        (" It\u2019s well-known — in 1990_2!", "it\u2019s well-known in 1990 2"),
        (" Čert a ŽENA. 日本", "čert a žena 日本"),
        ("\n\n...", ""),
        ("", ""),
    ],
)
def test_words(text: str, words: str) -> None:
    assert sorted(words_of("was", text, cut=False).elements()) == sorted(words.split())


def test_what_continues_the_prompt_s_last_word_is_left_out() -> None:
    assert set(words_of("worked as a", "n actor.", cut=False)) == {"actor"}
    assert set(words_of("worked as a ", "n actor.", cut=False)) == {"n", "actor"}
    assert set(words_of("worked as (", "an actor.", cut=False)) == {"an", "actor"}
    assert not words_of("worked as a", "n", cut=True)


def test_a_last_word_that_may_be_cut_is_left_out() -> None:
    assert set(words_of("as a", " sales man", cut=True)) == {"sales"}
    assert set(words_of("as a", " sales man", cut=False)) == {"sales", "man"}
    assert set(words_of("as a", " sales man.", cut=True)) == {"sales", "man"}
    assert set(words_of("as a", " sales man ", cut=True)) == {"sales", "man"}
