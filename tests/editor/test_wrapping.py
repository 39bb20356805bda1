"""Rows that end between words."""

from prompt_toolkit.formatted_text import StyleAndTextTuples

from distilgpt2_cli.editor.wrapping import padded, wrapped


def shown(line: str, width: int, cursor: int = 0) -> tuple[list[str], int, int]:
    """Return what is on the screen, and the row and column of the cursor."""
    parts: StyleAndTextTuples = [("", character) for character in line]
    filled, place = padded(parts, width, cursor)
    text = "".join(part[1] for part in filled)
    return [text[i : i + width] for i in range(0, len(text), width)], *divmod(place, width)


def test_rows_end_between_words() -> None:
    assert wrapped("a cat sat", 6) == ["a cat ", "sat"]
    assert wrapped("a cat sat", 5) == ["a cat", "sat"]
    assert wrapped("", 5) == [""]
    assert wrapped("   deep", 5) == ["   ", "deep"]
    assert wrapped("an extraordinary cat", 6) == ["an ext", "raordi", "nary ", "cat"]
    assert wrapped("well-known\u00a0cats", 12) == ["well-known\u00a0c", "ats"]


def test_wide_characters_are_measured_in_cells() -> None:
    assert wrapped("你好你好 ok", 5) == ["你好", "你好 ", "ok"]
    assert wrapped("é" * 3 + " e\u0301e\u0301e\u0301", 3) == ["ééé", "e\u0301e\u0301e\u0301"]
    assert wrapped("你", 1) == ["你"]


def test_the_cursor_is_where_its_character_is() -> None:
    line = "a cat  sat "
    assert shown(line, 5)[0] == ["a cat", "sat "]
    places = [shown(line, 5, cursor)[1:] for cursor in range(len(line))]
    assert places[:5] == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]
    assert places[5:] == [(1, 0), (1, 0), (1, 0), (1, 1), (1, 2), (1, 3)]
    assert shown("cats ", 4, 4) == (["cats", " "], 1, 0)  # after the last word of a full row
