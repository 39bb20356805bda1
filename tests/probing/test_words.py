"""Words as they are counted."""

import pytest

from distilgpt2_cli.probing.words import words_of


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
