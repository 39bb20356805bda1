"""What goes where, and in which form, on streams that pretend to be terminals or are not."""

import io
import json
import os
import time
from collections.abc import Mapping
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilgpt2_cli.errors import DistilError, ReaderGoneError
from distilgpt2_cli.terminal import DIM, Terminal, progress
from distilgpt2_cli.terminal.sanitize import visible


class Stream(io.BytesIO):
    def __init__(self, data: bytes = b"", *, terminal: bool = False) -> None:
        super().__init__(data)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


class Console:
    def __init__(
        self, *, terminal: bool, environment: Mapping[str, str] | None = None, quiet: bool = False
    ) -> None:
        self.out, self.err = Stream(terminal=terminal), Stream(terminal=terminal)
        self.terminal = Terminal(
            Stream(b"input", terminal=terminal), self.out, self.err, environment or {}, quiet=quiet
        )


def test_a_pipe_gets_the_text_unchanged() -> None:
    console = Console(terminal=False)
    console.terminal.write("a\x1b[31mb\x00\u202e[bold]é", style=DIM)
    assert console.out.getvalue().decode() == "a\x1b[31mb\x00\u202e[bold]é"


def test_a_terminal_gets_control_characters_made_visible() -> None:
    console = Console(terminal=True)
    console.terminal.write("a\x1b[31mb\r\x9b\u202e[bold]é\n\t")
    assert console.out.getvalue().decode() == r"a\x1b[31mb\x0d\x9b\u202e[bold]é" + "\n\t"


@given(st.text())
def test_nothing_but_lines_and_tabs_controls_a_terminal(text: str) -> None:
    controls = {character for character in visible(text) if category(character) == "Cc"}
    assert controls <= {"\n", "\t"}


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(environment: dict[str, str]) -> None:
    console = Console(terminal=True, environment=environment)
    console.terminal.write("prompt", style=DIM)
    console.terminal.notice("notice")
    console.terminal.failure(DistilError("What.", "Remedy."))
    assert b"\x1b" not in console.out.getvalue() + console.err.getvalue()


def test_quiet_silences_all_but_errors() -> None:
    console = Console(terminal=False, quiet=True)
    console.terminal.notice("notice")
    with console.terminal.progress("file", 10) as advance:
        advance(10)
    assert console.err.getvalue() == b""
    console.terminal.failure(DistilError("What.", "Remedy."))
    assert console.err.getvalue() == b"Error: What. Remedy.\n"


def test_standard_input_is_read_to_its_end() -> None:
    assert b"".join(Console(terminal=False).terminal.read()) == b"input"
    console = Console(terminal=True)
    assert list(console.terminal.read()) == [b"input"]
    assert b"Press Ctrl-D on an empty line to end." in console.err.getvalue()


def test_json_is_one_line_of_ascii() -> None:
    console = Console(terminal=True)
    console.terminal.write_json({"text": "é\n\x1b\x9b", "n": 1})
    (line,) = console.out.getvalue().splitlines()
    assert line.isascii()
    assert b"\x1b" not in line
    assert json.loads(line) == {"text": "é\n\x1b\x9b", "n": 1}


def test_tables_are_aligned_and_end_without_spaces() -> None:
    console = Console(terminal=False)
    console.terminal.write_table(["name", "size"], [["a", "1"], ["bcdef", "22"]])
    assert console.out.getvalue() == b"name   size\na      1\nbcdef  22\n"


def test_a_path_that_is_not_utf8_keeps_its_bytes() -> None:
    console = Console(terminal=False)
    console.terminal.write(os.fsdecode(b"/tmp/\xff") + "\n")
    assert console.out.getvalue() == b"/tmp/\xff\n"


def test_a_reader_that_is_gone() -> None:
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(ReaderGoneError), os.fdopen(write, "wb", buffering=0) as pipe:
        Terminal(None, pipe, Stream(), {}).write("text")


@pytest.mark.parametrize(("terminal", "shown"), [(True, True), (False, False)])
def test_things_are_counted_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: bool
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", 0)
    console = Console(terminal=terminal)
    with console.terminal.counting("things", 3) as advance:
        advance(3)
    assert (b"things" in console.err.getvalue()) == shown
    assert (b"3/3" in console.err.getvalue()) == shown
    assert console.out.getvalue() == b""


def test_short_work_is_not_counted() -> None:
    console = Console(terminal=True)
    with console.terminal.counting("things", 3) as advance:
        advance(3)
    assert console.err.getvalue() == b""


@pytest.mark.parametrize("ending", ["write", "notice", "failure", "end_waiting", "counting"])
def test_a_message_stays_until_something_else_is_written(
    monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", 0)
    console = Console(terminal=True, environment={"NO_COLOR": "1"})
    terminal = console.terminal
    terminal.begin_waiting("Loading x…")
    while b"Loading x" not in console.err.getvalue():
        time.sleep(0.001)
    assert console.err.getvalue().endswith("Loading x…".encode())
    if ending == "counting":
        with terminal.counting("things", 3) as advance:
            advance(3)
    elif ending == "failure":
        terminal.failure(DistilError("What.", "Remedy."))
    elif ending == "end_waiting":
        terminal.end_waiting()
    else:
        getattr(terminal, ending)("text")
    assert console.err.getvalue().startswith("Loading x…\r\x1b[2K".encode())


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {}])
def test_nothing_is_counted_where_it_is_not_wanted(environment: dict[str, str]) -> None:
    console = Console(terminal=True, environment=environment, quiet=not environment)
    with console.terminal.counting("things", 3) as advance:
        advance(3)
    assert console.err.getvalue() == b""
