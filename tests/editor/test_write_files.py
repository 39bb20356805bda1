"""``distil write`` and its file: saving, leaving, and what ends it from outside."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.support.editing import (
    DOWN,
    ENTER,
    ESCAPE,
    QUIT,
    SAVE,
    SAVE_AS,
    TAB,
    editing,
    save,
    suggest,
    wait_for_all,
    wait_for_sentence,
)
from tests.support.emulator import emulated
from tests.support.examples import IS_DOCUMENTED_BUILD
from tests.support.run import TIMEOUT, run


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
