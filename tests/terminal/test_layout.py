"""Text in lines of a width: nothing is lost, and only a long word makes a long line."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from distilgpt2_cli.terminal.layout import (
    cells,
    column_widths,
    fields,
    item,
    paragraph,
    side_by_side,
)

WORDS = st.lists(st.text("abcxyz-/é", min_size=1, max_size=30), max_size=30)
WIDTHS = st.integers(20, 100)


@given(WORDS, WIDTHS)
def test_a_paragraph(words: list[str], width: int) -> None:
    lines = paragraph(" ".join(words), width).split("\n")
    assert " ".join(lines).split() == words
    assert all(len(line) <= width or " " not in line for line in lines)


@given(WORDS, WIDTHS)
def test_an_item(words: list[str], width: int) -> None:
    first, *others = item(" ".join(words), width).split("\n")
    assert first.startswith("-")
    assert all(line.startswith("  ") for line in others)
    assert " ".join([first[1:], *others]).split() == words


@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=60), WORDS), min_size=1), WIDTHS)
def test_fields_lose_nothing(rows: list[tuple[str, list[str]]], width: int) -> None:
    text = fields([(label, " ".join(words)) for label, words in rows], width)
    assert text.split() == [word for label, words in rows for word in (label, *words)]


def test_values_stand_in_a_column() -> None:
    rows = [("a", "one two three four five"), ("label", "x"), ("a-label-of-some-length", "y")]
    assert fields(rows, 22).split("\n") == [
        "  a      one two three",
        "         four five",
        "  label  x",
        "  a-label-of-some-length",
        "         y",
    ]


def test_characters_other_than_line_ends_stay() -> None:
    assert paragraph("a\tb \x1b[1m\x0b\u202e  c", 80) == "a\tb \x1b[1m\x0b\u202e  c"


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(30, 60))
def test_texts_side_by_side(texts: list[list[str]], width: int) -> None:
    lines = side_by_side([" ".join(words) for words in texts], [width] * len(texts)).split("\n")
    for column, words in enumerate(texts):
        start = column * (width + 2)
        assert " ".join(line[start : start + width] for line in lines).split() == words
    assert not any(line.endswith(" ") for line in lines)


@given(st.text(max_size=40))
def test_cells_are_those_of_a_terminal(text: str) -> None:
    if text.isprintable():
        assert cells(text) == cell_len(text)


WIDE = "日本語の文章には空白がありません。それでも行に収まります。"


@given(st.integers(20, 60))
def test_wide_characters_take_two_cells(width: int) -> None:
    text = f"label {WIDE} end"
    lines = paragraph(text, width).split("\n")
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(line) <= width for line in lines)
    columns = side_by_side(["a", WIDE, "b"], [3, width, 3]).split("\n")
    assert all(cell_len(line) <= width + 10 for line in columns)
    assert columns[0].endswith("  b")
    assert cell_len(columns[0]) == width + 8


def test_a_table_that_does_not_fit() -> None:
    rows = [["NAME", "TEXT"], ["a", "one two three four five six"]]
    assert column_widths(rows, None) == [4, 27]
    assert column_widths(rows, 80) == [4, 27]
    assert column_widths(rows, 20) == [4, 14]
    assert column_widths(rows, 10) is None
