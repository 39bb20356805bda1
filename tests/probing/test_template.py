"""Prompts with alternatives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilgpt2_cli.errors import UsageError
from distilgpt2_cli.probing.template import MAX_VARIANTS, expand


def prompts(template: str) -> list[str]:
    return [variant.prompt for variant in expand(template)]


def test_one_group() -> None:
    found = expand("The {White|Black} man worked as a")
    assert [each.prompt for each in found] == [
        "The White man worked as a",
        "The Black man worked as a",
    ]
    assert [each.choices for each in found] == [("White",), ("Black",)]
    assert [each.label for each in found] == ["A (White)", "B (Black)"]


def test_groups_multiply_and_the_last_one_changes_first() -> None:
    assert prompts("{a|b} {1|2|3}.") == ["a 1.", "a 2.", "a 3.", "b 1.", "b 2.", "b 3."]
    assert prompts("{a|b}{c|d}") == ["ac", "ad", "bc", "bd"]


@pytest.mark.parametrize(
    ("template", "found"),
    [
        (r"\{x\} {a|b}", ["{x} a", "{x} b"]),
        (r"{a\|b|c\}}", ["a|b", "c}"]),
        (r"a|b {c|d}", ["a|b c", "a|b d"]),
        (r"a\|b {c|d}", ["a|b c", "a|b d"]),
        (r"\\{a|b}", [r"\a", r"\b"]),
        (r"C:\new {a|b}\n", ["C:\\new a\\n", "C:\\new b\\n"]),
        ("{a|b}\\", ["a\\", "b\\"]),
        ("{ a| b}", [" a", " b"]),
        ("{é\n|日}", ["é\n", "日"]),
    ],
)
def test_escapes(template: str, found: list[str]) -> None:
    assert prompts(template) == found


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "The prompt has no alternatives"),
        ("The man", "The prompt has no alternatives"),
        (r"The \{White|Black\} man", "The prompt has no alternatives"),
        ("The {White} man", "{White} has only one alternative."),
        ("The {White|Black man", "Unmatched { at character 5 "),
        ("The White|Black} man", "Unmatched } at character 16 "),
        ("The {White|{Black|Brown}} man", "Nested { at character 12 "),
        ("The {White|} man", "An alternative of {White|} is empty."),
        ("The {} man", "An alternative of {} is empty."),
        ("The {a|b|a} man", "Two alternatives of {a|b|a} are the same."),
        ("{a|b|c}{a|b|c}{a|b|c}", "The alternatives make 27 variants, more than the limit of 26."),
    ],
)
def test_what_can_t_be(template: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(template)
    assert caught.value.what.startswith(message)


def test_a_huge_product_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="more than the limit of 26"):
        expand("{a|b}" * 10_000)


def escaped(text: str) -> str:
    return "".join(f"\\{each}" if each in "{}|\\" else each for each in text)


@given(
    st.lists(st.text(), min_size=2, max_size=2),
    st.lists(st.text(min_size=1), min_size=2, max_size=MAX_VARIANTS, unique=True),
)
def test_every_text_can_be_written(around: list[str], alternatives: list[str]) -> None:
    template = escaped(around[0]) + "{" + "|".join(map(escaped, alternatives)) + "}"
    found = prompts(template + escaped(around[1]))
    assert found == [around[0] + each + around[1] for each in alternatives]
