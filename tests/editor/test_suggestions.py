"""Suggestions on real models: the same texts as generation gives, and cancelled when not wanted."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prompt_toolkit.layout.controls import UIContent

from distilgpt2_cli.editor.ghost import GhostControl
from distilgpt2_cli.editor.suggestions import Settings, Suggester, Suggestions
from distilgpt2_cli.editor.text_buffer import TextBuffer
from distilgpt2_cli.engine import MAX_SEED, GenerationOptions, Generator, open_generator
from distilgpt2_cli.errors import NotANumberError
from tests.support import gguf
from tests.support.processes import wait_until
from tests.support.run import TIMEOUT

SETTINGS = Settings(max_tokens=12, temperature=1.0, count=3)
ENDLESS = Settings(max_tokens=10**6, temperature=1.0, count=1)


@pytest.fixture(scope="module")
def generator(tiny: Path) -> Iterator[Generator]:
    with open_generator(tiny, SETTINGS.options(), threads=1) as generator:
        yield generator


def texts(suggestions: Suggestions) -> list[str]:
    return [item.text for item in suggestions.items]


def alone(path: Path, text: str, seed: int, options: GenerationOptions) -> str:
    with open_generator(path, options, prompt=text, threads=1) as generator:
        return "".join(token.text for token in generator.complete(text, seed))


@pytest.mark.parametrize(
    "text", ["", "Hello there", "naïve\r\n" * 40, "The rain fell, and fell.\n" * 2000, "x" * 5000]
)
@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, temperature=0.5, max_tokens=70)])
def test_each_is_a_single_completion_of_the_whole_text(
    generator: Generator, tiny: Path, text: str, settings: Settings
) -> None:
    suggestions = Suggestions(text, settings, MAX_SEED - 1)
    suggestions.generate(generator, lambda: None)
    assert [item.seed for item in suggestions.items] == [MAX_SEED - 1, MAX_SEED, 0]
    assert all(item.done for item in suggestions.items)
    assert texts(suggestions) == [
        alone(tiny, text, item.seed, settings.options()) for item in suggestions.items
    ]
    assert suggestions.next_seed == 1
    assert suggestions.tokens_per_second


def test_they_are_updated_and_end_when_cancelled(generator: Generator) -> None:
    seen: list[str] = []
    suggestions = Suggestions("Hello", ENDLESS, 1)

    def on_update() -> None:
        seen.append(suggestions.items[0].text)
        if len(seen) == 3:
            suggestions.cancel()

    suggestions.generate(generator, on_update)
    assert len(seen) == 3
    assert suggestions.items[0].text == seen[-1]
    assert not suggestions.items[0].done


def test_the_rest_is_left_when_one_is_chosen(generator: Generator) -> None:
    suggestions = Suggestions("Hello", SETTINGS, 1)
    suggestions.generate(generator, lambda: suggestions.end_after(1))
    assert [item.done for item in suggestions.items] == [True, True, False]
    assert texts(suggestions)[2] == ""


def test_new_ones_replace_those_in_progress(generator: Generator) -> None:
    updated = threading.Event()
    with Suggester(generator, updated.set) as suggester:
        endless = Suggestions("Hello", ENDLESS, 1)
        suggester.start(endless)
        assert updated.wait(TIMEOUT)
        never = Suggestions("Never", ENDLESS, 1)
        suggester.start(never)
        wanted = Suggestions("Hello", SETTINGS, 5)
        suggester.start(wanted)
        wait_until(lambda: all(item.done for item in wanted.items))
        assert not endless.items[0].done
    assert never.items[0].text == "" or not never.items[0].done


def test_the_end_does_not_wait_for_those_in_progress(generator: Generator) -> None:
    updated = threading.Event()
    with Suggester(generator, updated.set) as suggester:
        suggester.start(Suggestions("Hello", ENDLESS, 1))
        assert updated.wait(TIMEOUT)


def test_a_failure_is_kept_as_the_error(tmp_path: Path) -> None:
    path = gguf.write(tmp_path / "broken.gguf", final_scale=float("nan"))
    updated = threading.Event()
    with (
        open_generator(path, SETTINGS.options(), threads=1) as generator,
        Suggester(generator, updated.set) as suggester,
    ):
        suggestions = Suggestions("Hello", SETTINGS, 1)
        suggester.start(suggestions)
        assert updated.wait(TIMEOUT)
    assert isinstance(suggestions.error, NotANumberError)


def shown(content: UIContent) -> list[str]:
    lines = (content.get_line(row) for row in range(content.line_count))
    return ["".join(fragment[1] for fragment in line).rstrip() for line in lines]


def test_ghost_text_stands_at_the_cursor_and_may_have_lines() -> None:
    buffer = TextBuffer("one two\nthree")
    buffer.cursor_position = 3
    for ghost, lines in (
        ("", ["one two", "three"]),
        ("!", ["one! two", "three"]),
        ("\n", ["one", " two", "three"]),
        (" A\n\nB", ["one A", "", "B two", "three"]),
        ("\x1b[2J\u202e", [r"one\x1b[2J\u202e two", "three"]),
    ):
        content = GhostControl(buffer, lambda ghost=ghost: ghost).create_content(80, 24)  # type: ignore[misc]
        assert shown(content) == lines
        assert (content.cursor_position.y, content.cursor_position.x) == (0, 3)


def test_control_characters_that_reorder_text_are_replaced() -> None:
    buffer = TextBuffer("a\u202eb\tc")
    assert shown(GhostControl(buffer, str).create_content(80, 24)) == ["a\ufffdb     c"]
