"""``distil write`` as its user sees it: suggestions, settings and the screen."""

import re
import textwrap
from pathlib import Path

from tests.support import reciting
from tests.support.editing import (
    ALT_RIGHT,
    CTRL_C,
    CTRL_END,
    DOWN,
    ENTER,
    ESCAPE,
    F1,
    F2,
    F3,
    F4,
    PROMPT,
    QUIT,
    REDO,
    TAB,
    UNDO,
    UP,
    editing,
    first_row,
    generated,
    save,
    suggest,
    wait_for_all,
    wait_for_sentence,
)
from tests.support.emulator import emulated


def test_suggestions_are_what_generate_prints(env: dict[str, str], path: Path) -> None:
    with editing(env, path) as on:
        suggest(on)
        texts = [generated(env, PROMPT, seed) for seed in (42, 43, 44)]
        on.wait_for(f">1 {texts[0]}", f" 2 {texts[1]}", f" 3 {texts[2]}")
        assert on.lines[0] == first_row(PROMPT + texts[0])
        on.wait_until(lambda: on.cursor == (0, len(PROMPT)))
        on.wait_for("| demo | seed 42 |", " tokens/s | 4 words")
        on.press(b"2")
        on.wait_without("Esc close")
        assert save(on, path) == PROMPT + texts[1]


def test_arrows_and_enter(env: dict[str, str], path: Path) -> None:
    with editing(env, path) as on:
        suggest(on)
        on.press(DOWN + DOWN + DOWN + UP)
        on.wait_for(">3 ", "| seed 44 |")
        on.press(ENTER)
        on.wait_without("Esc close")
        assert save(on, path) == PROMPT + generated(env, PROMPT, 44)


def test_tab_again_brings_more(env: dict[str, str], path: Path) -> None:
    with editing(env, path) as on:
        suggest(on)
        on.press(TAB)
        on.wait_for(*(f"{seed - 44} {generated(env, PROMPT, seed)}" for seed in (45, 46, 47)))


def test_word_by_word(env: dict[str, str], path: Path) -> None:
    words = generated(env, PROMPT, 43).split(" ")
    with editing(env, path) as on:
        suggest(on)
        on.press(DOWN + ALT_RIGHT)
        on.wait_for(f">2  {' '.join(words[1:])}")
        on.press(ALT_RIGHT)
        on.wait_for(f">2  {' '.join(words[2:])}")
        assert on.lines[0] == first_row(PROMPT + " ".join(words))
        on.press(ESCAPE)
        on.wait_without("Esc close")
        assert save(on, path) == PROMPT + " ".join(words[:2])
        on.press(UNDO)
        on.wait_until(lambda: on.lines[0] == PROMPT + words[0])
        on.press(UNDO)
        on.wait_until(lambda: on.lines[0] == PROMPT)


def test_settings_are_a_key_away(env: dict[str, str], path: Path) -> None:
    with editing(env, path) as on:
        suggest(on)
        on.press(F2)
        on.wait_for("F2 32 tokens")
        on.press(F2 + F2 + F2)
        on.wait_for("F2 8 tokens")
        on.press(F3)
        on.wait_for("temp 1.3")
        on.press(F4)
        on.wait_for("F4 5x")
        wait_for_all(on, 5)
        expected = generated(env, PROMPT, 46, "--max-tokens", "8", "--temperature", "1.3")
        on.wait_for(f"5 {expected}")


def test_escape_leaves_the_text_as_it_was(env: dict[str, str], path: Path) -> None:
    for key in (ESCAPE, CTRL_C):
        with editing(env, path) as on:
            suggest(on)
            on.press(key)
            on.wait_for("Tab suggest")
            assert on.lines[0] == PROMPT


def test_typing_does_not_wait_for_the_model(env: dict[str, str], path: Path) -> None:
    """The suggestions asked for would take longer than the test may."""
    with editing(env, path, "--max-tokens", "1000000") as on:
        on.press(PROMPT.encode() + TAB)
        on.wait_for(">1 ", "tokens/s")
        on.press(b", said")
        on.wait_until(lambda: on.lines[0] == f"{PROMPT}, said")
        on.wait_for("Tab suggest")
        on.press(TAB)
        on.wait_for("Esc close", "tokens/s")
        on.press(ESCAPE)
        on.wait_without("Esc close")
        assert on.lines[0] == f"{PROMPT}, said"
        on.press(TAB)
        on.wait_for("Esc close", "tokens/s")
        on.press(QUIT)
        on.wait_for("Save changes?")
        on.press(b"n")
        assert on.screen.wait() == 0
    assert not path.exists()


def test_undo_undoes_one_accepted_suggestion(env: dict[str, str], path: Path) -> None:
    with editing(env, path) as on:
        suggest(on)
        on.press(b"1")
        on.wait_for("Tab suggest")
        whole = on.lines[0]
        on.press(b" now")
        on.wait_until(lambda: on.lines[0] == f"{whole} now")
        on.press(UNDO)
        on.wait_until(lambda: on.lines[0] == whole)
        on.press(UNDO)
        on.wait_until(lambda: on.lines[0] == PROMPT)
        on.press(REDO)
        on.wait_until(lambda: on.lines[0] == whole)


def test_the_prompt_is_what_stands_before_the_cursor(env: dict[str, str], path: Path) -> None:
    path.write_text("One day, Tom\nand the rest")
    with editing(env, path) as on:
        on.press(b"\x1b[F" + TAB)
        wait_for_all(on)
        on.press(b"3")
        on.wait_for("Tab suggest")
        assert save(on, path) == f"One day, Tom{generated(env, 'One day, Tom', 44)}\nand the rest"


def test_a_text_longer_than_the_window_keeps_its_end(env: dict[str, str], path: Path) -> None:
    text = "The little frog was happy. She sat by the pond, and sang.\n" * 500
    path.write_text(text)
    with editing(env, path) as on:
        on.press(CTRL_END + TAB)
        wait_for_all(on)
        on.press(b"1")
        on.wait_for("Tab suggest")
        assert save(on, path) == text + generated(env, text, 42)


def test_without_colours(env: dict[str, str], path: Path) -> None:
    with editing({**env, "NO_COLOR": "1"}, path) as on:
        suggest(on)
        assert on.underlined().rstrip() == generated(env, PROMPT, 42)
    colour = re.compile(rb"\x1b\[[\d;]*\b(3\d|4[0-79]|9\d|10\d)\b[\d;]*m")
    assert not colour.search(on.screen.output)
    with editing(env, path) as on:
        suggest(on)
    assert colour.search(on.screen.output)


def test_another_size(env: dict[str, str], path: Path) -> None:
    with editing(env, path) as on:
        suggest(on)
        on.resize(30, 10)
        on.wait_until(lambda: " … | demo | seed 42" in on.text)
        assert on.lines[0] == first_row(PROMPT + generated(env, PROMPT, 42), 30)
        on.resize(120, 40)
        on.wait_until(lambda: "4 words" in on.lines[38] and ">1 " in on.text)
        on.press(b"1")
        on.wait_for("Tab suggest")
        assert save(on, path) == PROMPT + generated(env, PROMPT, 42)


def test_rows_end_between_words(env: dict[str, str], path: Path) -> None:
    """The text's own, with the cursor in them, and those of ghost text and suggestions."""
    text = " ".join(["The extraordinarily small frog sat down."] * 5)
    path.write_text(f"{text}\nend")
    rows = textwrap.wrap(text, 80)
    with editing(env, path, "--max-tokens", "40") as on:
        on.wait_until(lambda: on.lines[: len(rows) + 1] == [*rows, "end"])
        on.press(b"\x1b[F")  # the End key
        on.wait_until(lambda: on.cursor == (len(rows) - 1, len(rows[-1])))
        on.press(b"\x01" + b"\x1b[C" * len(rows[0]))
        on.wait_until(lambda: on.cursor == (0, len(rows[0])))
        on.press(b"\x1b[C")
        on.wait_until(lambda: on.cursor == (1, 0))
        on.press(b"\x1b[F" + TAB)
        wait_for_all(on)
        ghost = generated(env, text, 42, "--max-tokens", "40")
        expected = textwrap.wrap(text + ghost, 80)
        assert on.lines[: len(expected)] == expected
        marked = on.lines.index(next(line for line in on.lines if line.startswith(">1")))
        shown = textwrap.wrap(ghost.lstrip(), 76)
        assert [line.strip(">1 …") for line in on.lines[marked : marked + 2]] == [
            row.strip("1 ") for row in shown[:2]
        ]
        on.resize(50, 24)
        narrow = textwrap.wrap(text + ghost, 50)
        on.wait_until(lambda: on.lines[: len(narrow)] == narrow)


def test_the_first_screen_has_the_keys_and_f1_all(env: dict[str, str], path: Path) -> None:
    with editing(env, path) as on:
        on.wait_for("New file.\nTab suggest  ^S save  ^Q quit  F1 help  F2 16 tokens")
        on.press(F1)
        on.wait_for("Press any key to go back", "Undo, redo.", "A token is a short word")
        assert "Tab suggest" not in on.text
        for key in (b"x", F1, ESCAPE, TAB):
            on.press(key)
            on.wait_for("Tab suggest")
            assert on.lines[0] == ""
            on.press(F1)
            on.wait_for("Press any key to go back")
        on.resize(30, 12)
        on.wait_for("Choose a\n", "suggestion,\n")  # its rows end between words, too
        on.press(b"x" + QUIT)
        assert on.screen.wait() == 0  # nothing was typed


def test_line_ends_in_suggestions_are_signs(
    env: dict[str, str], path: Path, tmp_path: Path
) -> None:
    said = [b"The", b" end", b".", b"\n", b"\n", b"A", b" cat", b"."]
    model = reciting.write(tmp_path / "m.gguf", said)
    greedy = ("--max-tokens", "8", "--temperature", "0")
    with emulated("write", "--model", str(model), *greedy, str(path), env=env) as on:
        on.wait_for("Tab suggest")
        on.press(TAB)
        on.wait_for(">1 The end.↵↵ A cat.")
        assert "\\n" not in on.text
        assert on.lines[:3] == ["The end.", "", "A cat."]


def test_without_a_network_there_is_something_to_write_with(
    env: dict[str, str], path: Path
) -> None:
    offline = {**env, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    for choice, surroundings in ((), offline), (("--offline",), env):
        with emulated("write", *choice, str(path), env=surroundings) as on:
            wait_for_sentence(on, "suggestions come from the small demo model.")
            on.wait_for("Tab suggest", "| demo |")
            assert "Errno" not in on.text
            assert "Error" not in on.text
    with emulated("write", "--quant", "Q8_0", str(path), env=env) as on:
        assert on.screen.wait() == 3
