"""``distil write`` in a terminal, on the bundled model: keys in, screen out."""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .emulator import Emulator, emulated
from .run import run

PROMPT = "Once upon a time"
TAB, ENTER, ESCAPE, ALT_RIGHT = b"\t", b"\r", b"\x1b", b"\x1b[1;3C"
UP, DOWN, F1, F2, F3, F4 = b"\x1b[A", b"\x1b[B", b"\x1bOP", b"\x1bOQ", b"\x1bOR", b"\x1bOS"
SAVE, SAVE_AS, QUIT, UNDO, REDO, CTRL_C = b"\x13", b"\x0f", b"\x11", b"\x1a", b"\x19", b"\x03"
CTRL_END = b"\x1b[1;5F"


@contextmanager
def editing(env: dict[str, str], path: Path, *options: str) -> Iterator[Emulator]:
    """Edit a file, of which the editor says whether it is new."""
    with emulated("write", "--model", "demo", "--seed", "42", *options, str(path), env=env) as on:
        on.wait_for("Tab suggest") if path.exists() else on.wait_for("New file.")
        yield on


def generated(env: dict[str, str], prompt: str, seed: int, *options: str) -> str:
    """Return what `distil generate` writes for a suggestion's prompt and seed."""
    arguments = ("generate", "--model", "demo", "--seed", str(seed), "--max-tokens", "16")
    return run(*arguments, *options, env=env, stdin=f"{prompt}\n".encode()).stdout.decode()[:-1]


def first_row(text: str, width: int = 80) -> str:
    """Return the first row of a text on the screen."""
    return textwrap.wrap(text, width, break_on_hyphens=False)[0]


def suggest(on: Emulator, prompt: str = PROMPT) -> None:
    """Type a prompt, and ask for suggestions."""
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
    """Save the text, and return what the file then has."""
    on.press(SAVE)
    on.wait_for(f"Saved {str(path)[:20]}")
    return path.read_text(encoding="utf-8")
