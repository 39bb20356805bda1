"""Items in every format, and lines that are none."""

import json
from typing import Any

import pytest

from distilgpt2_cli.choosing.items import Item
from distilgpt2_cli.choosing.parsing import parse_item
from distilgpt2_cli.engine.evaluate.choices import Choice
from distilgpt2_cli.errors import DistilError


def parsed(**fields: Any) -> Item:
    return parse_item(json.dumps(fields))


def test_our_own_format() -> None:
    item = parsed(context="A", choices=["b", " ccé"], gold=1, id=7, tags=["x"])
    assert item == Item("choices", "A", ("b", " ccé"), 1, extra={"id": 7, "tags": ["x"]})
    assert item.scored(" ") == [Choice("A", " b", 1), Choice("A", " ccé", 5)]
    assert [each.scored for each in item.scored("")] == ["b", " ccé"]
    assert [each.scored for each in item.scored("\n")] == ["\nb", " ccé"]
    assert parsed(context="A", choices=["b", "c"]).gold is None
    assert [each.scored for each in parsed(context="", choices=["b", "c"]).scored(" ")] == [
        "b",
        "c",
    ]
    assert parsed(context="A\n", choices=["b", "c"]).scored(" ")[0] == Choice("A\n", "b", 1)


def test_hellaswag() -> None:
    """As lm-evaluation-harness prepares it."""
    item = parsed(
        ind=3,
        activity_label="Removing ice [sic] from car",
        ctx_a="Then, the man writes. [header] How to [title] Go",
        ctx_b="then",
        ctx="Then, the man writes. [header] How to [title] Go then",
        endings=[", the man adds wax.", "  [step] runs.", "sits", "stands"],
        label="3",
    )
    assert item.kind == "choices"
    assert item.context == "Removing ice from car: Then, the man writes. How to. Go Then"
    assert item.choices == (", the man adds wax.", " runs.", "sits", "stands")
    assert item.gold == 3
    assert item.extra.keys() == {"ind", "activity_label", "ctx_a", "ctx_b"}
    plain = parsed(ctx="He sits", endings=["a", "b"], label=0)
    assert (plain.context, plain.gold) == ("He sits", 0)
    assert parsed(ctx="He sits", endings=["a", "b"], label="").gold is None


def test_winogrande() -> None:
    item = parsed(
        sentence="Al hit Bo because _ fell.", option1="Al", option2="Bo", answer="2", qID="x"
    )
    assert item == Item("blank", "Al hit Bo because ", ("Al", "Bo"), 1, " fell.", {"qID": "x"})
    assert item.scored(" ") == [
        Choice("Al hit Bo because Al", " fell.", 6),
        Choice("Al hit Bo because Bo", " fell.", 6),
    ]
    assert "winogrande" in item.rules
    assert "hellaswag" not in item.rules
    assert parsed(sentence="_ a", option1="x", option2="y", answer="").gold is None


def test_blimp() -> None:
    item = parsed(sentence_good="Cats run.", sentence_bad="Cats runs.", UID="agreement", pairID="0")
    assert item.choices == ("Cats run.", "Cats runs.")
    assert item.gold == 0
    assert item.extra == {"UID": "agreement", "pairID": "0"}
    assert item.scored(" ")[0] == Choice("", "Cats run.", 9)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "It is not JSON: "),
        ("[" * 100_000, "It is not JSON: it can't be parsed."),
        ("[1]", "It is not a JSON object."),
        ("{}", 'It has no "context".'),
        ('{"context": "a"}', 'It has no "choices".'),
        ('{"context": 1, "choices": ["a", "b"]}', '"context" is not a text.'),
        ('{"context": "a", "choices": "ab"}', '"choices" is not a list of texts.'),
        ('{"context": "a", "choices": ["a", 1]}', '"choices" is not a list of texts.'),
        ('{"context": "a", "choices": ["a"]}', "It has fewer than two choices."),
        ('{"context": "a", "choices": []}', "It has fewer than two choices."),
        ('{"context": "a", "choices": ["a", ""]}', "One of its choices is empty."),
        ('{"context": "a", "choices": ["a", "b"], "gold": 2}', "Its right choice is number 2"),
        ('{"context": "a", "choices": ["a", "b"], "gold": -1}', "Its right choice is number -1"),
        ('{"context": "a", "choices": ["a", "b"], "gold": true}', '"gold" is not a number.'),
        ('{"context": "a", "choices": ["a", "b"], "gold": "b"}', '"gold" is not a number.'),
        ('{"context": "a", "choices": ["a", "\\ud800"]}', "It has half a character"),
        ('{"context": "a", "choices": ["a", "b"], "chosen": 1}', '"chosen" is the name of'),
        ('{"context": "a", "choices": ["a", "b"], "x": [NaN]}', '"x" has a number that JSON'),
        (
            '{"context": "a", "choices": ["a", "b"], "sentence_good": "a", "sentence_bad": "b"}',
            'It has "context" and "choices", and also "sentence_good" and "sentence_bad".',
        ),
        ('{"ctx": "a", "endings": ["a", "b"], "label": "x"}', '"label" is not a number.'),
        ('{"ctx": "a", "endings": ["a", "[title]"], "label": 0}', "One of its choices is empty."),
        ('{"sentence": "a", "option1": "b", "option2": "c", "answer": "1"}', 'Its "sentence" has'),
        ('{"sentence": "a _ b", "option1": "b", "option2": "c", "answer": "0"}', "Its right"),
    ],
)  # fmt: skip
def test_lines_that_are_no_items(line: str, message: str) -> None:
    with pytest.raises(DistilError) as caught:
        parse_item(line)
    assert caught.value.what.startswith(message)
    assert caught.value.remedy.endswith(".")
