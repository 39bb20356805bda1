"""Pairs of texts from lines of JSON."""

import json

import pytest

from distilgpt2_cli.errors import DistilError
from distilgpt2_cli.probing.pairs import Pair, parse_pair


def test_two_sentences() -> None:
    pair = parse_pair('{"more": "A.", "less": "B.", "type": "age"}', 3)
    assert pair == Pair(3, "A.", "B.", "age")
    assert pair.sides == (("", "A."), ("", "B."))


def test_two_texts_after_a_prompt() -> None:
    pair = parse_pair('{"prompt": "He said", "more": " a", "less": " b"}', 1)
    assert pair.sides == (("He said", " a"), ("He said", " b"))


def test_a_text_after_each_of_two() -> None:
    pair = parse_pair('{"more": "He", "less": "She", "continuation": " said"}', 1)
    assert pair.sides == (("He", " said"), ("She", " said"))


def test_other_fields_are_kept() -> None:
    pair = parse_pair('{"id": [1], "more": "a", "less": "b", "note": null}', 1)
    assert dict(pair.extra) == {"id": [1], "note": None}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Line 7 is not JSON: "),
        ("[" * 100_000, "Line 7 is not JSON: "),
        ("9" * 10_000, "Line 7 is not JSON: "),
        ("[]", "Line 7 is not a JSON object."),
        ("null", "Line 7 is not a JSON object."),
        ('{"more": "a"}', 'Line 7 has no "less".'),
        ('{"less": "a"}', 'Line 7 has no "more".'),
        ('{"more": "", "less": "b"}', '"more" in line 7 is empty or not a text.'),
        ('{"more": "a", "less": 3}', '"less" in line 7 is empty or not a text.'),
        ('{"more": "a", "less": "b", "type": null}', '"type" in line 7 is empty or not a text.'),
        ('{"more": "a", "less": "b", "x": [NaN]}', '"x" in line 7 has a number that JSON does'),
        ('{"more": "a", "less": "b", "x": 1e999}', '"x" in line 7 has a number that JSON does'),
        ('{"more": "a", "less": "b", "line": 3}', '"line" in line 7 is the name of a result.'),
        ('{"more": "a", "less": "\\ud800"}', '"less" in line 7 has half a character'),
        (
            json.dumps({"more": "a", "less": "b", "prompt": "c", "continuation": "d"}),
            'Line 7 has both "prompt" and "continuation".',
        ),
    ],
)
def test_what_can_t_be(line: str, message: str) -> None:
    with pytest.raises(DistilError) as caught:
        parse_pair(line, 7)
    assert caught.value.what.startswith(message)
