"""``distil write`` as its user sees it: keys in, screen out, on the bundled model."""

import os
import re
import signal
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import reciting
from tests.support.emulator import Emulator, emulated
from tests.support.examples import IS_DOCUMENTED_BUILD
from tests.support.run import TIMEOUT, run

PROMPT = "Once upon a time"
TAB, ENTER, ESCAPE, ALT_RIGHT = b"\t", b"\r", b"\x1b", b"\x1b[1;3C"
UP, DOWN, F1, F2, F3, F4 = b"\x1b[A", b"\x1b[B", b"\x1bOP", b"\x1bOQ", b"\x1bOR", b"\x1bOS"
SAVE, SAVE_AS, QUIT, UNDO, REDO, CTRL_C = b"\x13", b"\x0f", b"\x11", b"\x1a", b"\x19", b"\x03"
CTRL_END = b"\x1b[1;5F"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "story.txt"


@contextmanager
def editing(env: dict[str, str], path: Path, *options: str) -> Iterator[Emulator]:
    with emulated("write", "--model", "demo", "--seed", "42", *options, str(path), env=env) as on:
        on.wait_for("Tab suggest") if path.exists() else on.wait_for("New file.")
        yield on


def generated(env: dict[str, str], prompt: str, seed: int, *options: str) -> str:
    arguments = ("generate", "--model", "demo", "--seed", str(seed), "--max-tokens", "16")
    return run(*arguments, *options, env=env, stdin=f"{prompt}\n".encode()).stdout.decode()[:-1]


def first_row(text: str, width: int = 80) -> str:
    return textwrap.wrap(text, width, break_on_hyphens=False)[0]


def suggest(on: Emulator, prompt: str = PROMPT) -> None:
    on.press(prompt.encode())
    on.wait_for(prompt)
    on.press(TAB)
    wait_for_all(on)


def wait_for_all(on: Emulator, count: int = 3) -> None:
    """Wait until so many suggestions are there, and none of them is on its way."""
    number = re.compile(r"^[> ]\d ")

    def are_done() -> bool:
        rows = [line for line in on.lines if number.match(line)]
        return len(rows) == count and not any(row.endswith("…") for row in rows)

    on.wait_until(are_done)


def wait_for_sentence(on: Emulator, sentence: str) -> None:
    """Wait for a sentence wherever its lines are wrapped."""
    on.wait_until(lambda: "".join(sentence.split()) in "".join(on.text.split()))


def save(on: Emulator, path: Path) -> str:
    on.press(SAVE)
    on.wait_for(f"Saved {str(path)[:20]}")
    return path.read_text(encoding="utf-8")


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


def test_quit_asks_about_changes(env: dict[str, str], path: Path) -> None:
    for keys, is_saved in ((b"\x1b", False), (b"n", False), (b"y", True)):
        with editing(env, path) as on:
            on.press(b"Hello")
            on.wait_for("Hello")
            on.press(QUIT)
            on.wait_for("Save changes?")
            on.press(keys)
            if keys == b"\x1b":
                on.wait_for("Tab suggest")
                on.press(b"!")
                on.wait_for("Hello!")
            else:
                assert on.screen.wait() == 0
        assert path.exists() == is_saved
    assert path.read_text() == "Hello"
    with editing(env, path) as on:
        on.press(QUIT)
        assert on.screen.wait() == 0


def test_a_text_without_a_name_gets_one(env: dict[str, str], path: Path) -> None:
    with emulated("write", "--model", "demo", env=env) as on:
        on.wait_for("untitled")
        on.press(b"Hello" + QUIT)
        on.wait_for("Save changes?")
        on.press(b"y")
        on.wait_for("File name:")
        on.press(str(path).encode() + ENTER)
        assert on.screen.wait() == 0
    assert path.read_text() == "Hello"


def test_a_file_that_changed_meanwhile_is_not_replaced_unasked(
    env: dict[str, str], path: Path
) -> None:
    path.write_text("old")
    with editing(env, path) as on:
        on.press(b"my ")
        on.wait_for("my old")
        path.write_text("theirs")
        on.press(SAVE)
        wait_for_sentence(on, "was changed by another program. Replace it?")
        on.press(ESCAPE)
        on.wait_for("Tab suggest")
        assert path.read_text() == "theirs"
        on.press(SAVE)
        on.wait_for("Replace it?")
        on.press(b"y")
        on.wait_for("Saved ")
        assert path.read_text() == "my old"


def test_another_name_does_not_replace_a_file_unasked(
    env: dict[str, str], path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    path.write_text("old")
    with editing(env, path) as on:
        on.press(SAVE_AS)
        on.wait_for("File name:")
        on.press(b"\x15" + str(other).encode() + ENTER)
        wait_for_sentence(on, "already exists. Replace it?")
        on.press(b"n" + ESCAPE)
        on.wait_for("Tab suggest")
    assert (other.read_text(), path.read_text()) == ("precious", "old")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_signal_keeps_the_text(
    env: dict[str, str], path: Path, number: signal.Signals, status: int
) -> None:
    path.write_text("old")
    with editing(env, path, "--max-tokens", "1000000") as on:
        before = on.screen.attributes()
        on.press(b"my ")
        on.wait_for("my old")
        on.press(TAB)
        on.wait_for("tokens/s")
        on.screen.signal(number)
        assert on.screen.wait() == status
        assert on.screen.attributes() != before  # those of the shell again
    kept = path.with_name("story.txt.recovered")
    assert (path.read_text(), kept.read_text()) == ("old", "my old")
    assert b"Traceback" not in on.screen.output
    assert os.fsencode(kept) in on.screen.output
    with emulated("write", "--model", "demo", str(path), env={**env}) as on:
        on.wait_for("Unsaved text of an earlier session is in")


def test_a_paste_in_a_terminal_that_does_not_mark_it(env: dict[str, str], path: Path) -> None:
    pasted = "a\tb\n\tc\n1. item\n"
    with editing(env, path) as on:
        on.press(pasted.encode())
        on.wait_for("1. item")
        assert save(on, path) == pasted
        on.press(TAB)
        wait_for_all(on)
        on.press(b"2. item\r3. item\r")
        on.wait_for("3. item")
        assert save(on, path) == f"{pasted}2. item\n3. item\n"


def test_a_terminal_that_goes_away_keeps_the_text(env: dict[str, str], path: Path) -> None:
    with editing(env, path) as on:
        on.press(b"my words")
        on.wait_for("my words")
        assert on.screen.hang_up() == 129
    assert path.with_name("story.txt.recovered").read_text() == "my words"


def test_what_a_terminal_is_needed_for(env: dict[str, str], path: Path) -> None:
    result = run("write", "--model", "demo", str(path), env=env)
    assert result.returncode == 2
    assert result.stdout == b""
    assert b"needs a terminal" in result.stderr
    for kind in ("dumb", ""):
        with emulated("write", "--model", "demo", env={**env, "TERM": kind}) as on:
            assert on.screen.wait() == 1
        assert b"can't move the cursor" in on.screen.output


def test_a_file_that_is_not_text(env: dict[str, str], path: Path) -> None:
    path.write_bytes(b"abc\xff")
    with emulated("write", "--model", "demo", str(path), env=env) as on:
        assert on.screen.wait() == 1
    assert b"the byte at offset 3 (0xff)" in b" ".join(on.screen.output.split())


def test_without_prompt_toolkit(env: dict[str, str]) -> None:
    script = (
        "import sys; sys.modules['prompt_toolkit'] = None; import runpy; sys.argv[0] = 'distil'; "
    )
    script += "runpy.run_module('distilgpt2_cli', run_name='__main__')"
    launcher = (sys.executable, "-c", script)
    import subprocess

    result = subprocess.run([*launcher, "write"], env=env, capture_output=True, timeout=TIMEOUT)
    assert result.returncode == 1
    assert b"-m pip install 'prompt-toolkit<4" in result.stderr


def test_the_screen_in_the_docs(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not IS_DOCUMENTED_BUILD:
        pytest.skip("another processor may give other texts")
    root = Path(__file__).parents[2]
    page = (root / "docs/write.md").read_text(encoding="utf-8")
    block = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert block
    monkeypatch.chdir(tmp_path)
    with editing({**env, "PYTHONPATH": str(root)}, Path("story.txt")) as on:
        suggest(on)
        on.press(DOWN)
        on.wait_for(">2 ", "seed 43")
        speed = re.compile(r"\d+ tokens/s")
        assert speed.sub("", on.text).rstrip() == speed.sub("", block[1]).rstrip()
