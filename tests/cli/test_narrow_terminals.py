"""What is written for people fits the terminal, and breaks between words."""

import os
import re
import signal
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.support.extent import cases
from tests.support.quick_model import env as env
from tests.support.run import DISTIL, terminal

_STYLES = re.compile(rb"\x1b\[[0-9;]*m")


def shown(env: dict[str, str], columns: int, *arguments: str, status: int | None = 0) -> list[str]:
    """Return the lines of a run on a terminal, without styles and erased bars."""
    with terminal(*arguments, env=env, columns=columns) as screen:
        assert screen.wait() == status or status is None
    text = _STYLES.sub(b"", screen.output).decode()
    return [line.rpartition("\x1b[2K")[2].rstrip() for line in text.split("\r\n")]


def too_long(lines: list[str], columns: int) -> list[str]:
    """Return the lines that a terminal would break, but for those with a word that is too long."""
    return [
        line
        for line in lines
        if cell_len(line) > columns and max(map(cell_len, line.split())) <= columns * 2 // 3
    ]


TABLES = [
    ("next", "Once upon a"),
    ("next", "-t", "2", "Once upon a"),
    ("tokenize", "Once upon a time"),
    ("score", "Once upon a time"),
    ("lens", "Once upon a time"),
    ("models",),
    ("info", "-m", "demo"),
    ("probe", "-n", "4", "-s", "1", "--max-tokens", "8", "The {日本|中国の人} man"),
    ("perplexity", "-m", "demo", "--quiet", "-m", "模型.gguf", "text.txt"),
]


@pytest.mark.parametrize("columns", cases([60], [100]))
@pytest.mark.parametrize("arguments", TABLES, ids=lambda arguments: " ".join(arguments[:1]))
def test_tables_fit(
    env: dict[str, str],
    bundled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("模型.gguf").symlink_to(bundled)
    Path("text.txt").write_text("Once upon a time there was a little girl. " * 20)
    lines = shown({**env, "NO_COLOR": "1"}, columns, *arguments)
    assert too_long(lines, columns) == []


def test_numbers_are_not_broken(env: dict[str, str]) -> None:
    lines = shown(env, 60, "next", "-m", "demo", "--top", "3", "Once upon a")
    assert len([line for line in lines if re.search(r"%.*%.* \d+  \"", line)]) == 3


@pytest.mark.parametrize("columns", cases([40, 80], [60]))
@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "-m", "a file that is not here.gguf", "Hi"),
        ("next", "--top", "0", "Hi"),
        ("score", "--prefix", "The dog ", "barked at the cat"),
    ],
)
def test_messages_break_between_words(
    env: dict[str, str], columns: int, arguments: tuple[str, ...]
) -> None:
    wide = shown(env, 1000, *arguments, status=None)
    lines = shown(env, columns, *arguments, status=None)
    assert too_long(lines, columns) == []
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(wide).split())


COUNTED = cases(
    [
        ("generate", "-s", "1", "-n", "100000", "--max-tokens", "2", "Hi"),
        ("score", "--parallel", "64", "--lines"),
        ("tokenize", "--count"),
        ("generate", "-s", "1", "--max-tokens", "-1", "--ignore-eos", "Hi"),
    ],
    [
        ("generate", "-s", "1", "--lines", "--max-tokens", "2"),
        ("score", "--lines"),
        ("next", "--lines"),
        ("features", "--lines", "--pool", "mean"),
        ("tokenize", "--lines", "--ids"),
    ],
)


@pytest.mark.parametrize("arguments", COUNTED, ids=lambda arguments: " ".join(arguments[:1]))
def test_long_work_is_counted_and_leaves_nothing(
    env: dict[str, str], arguments: tuple[str, ...]
) -> None:
    """Standard error is the terminal; the texts never end, and the results go elsewhere."""
    script = 'yes "Once upon a time" | "$@" > /dev/null'
    program = ("bash", "-c", script, "bash", *DISTIL)
    with terminal(*arguments, env=env, program=program) as screen:
        screen.wait_for("━".encode())
        screen.type(b"\x03")
        screen.wait()
    assert screen.output.endswith((b"\x1b[2K", b"^C")), screen.output[-200:]


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "--file", "endless"),
        ("features", "--overflow", "split", "--file", "endless"),
    ],
)
def test_one_long_text_on_a_terminal_says_that_it_goes_on(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("endless").write_text("Once upon a time there was a little girl. " * 30_000)
    with terminal(*arguments, env=env) as screen:
        screen.wait_for("Computing…".encode())
        screen.type(b"\x03")
        assert screen.wait() == 128 + signal.SIGINT
    assert screen.output.replace(b"^C", b"").endswith(b"\x1b[2K")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_message_of_loading_is_erased_by_what_ends_it(
    env: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    """A load that does not end stands for one from a slow disk."""
    load = "distilgpt2_cli.engine.llama.loading"
    script = f"import time, {load} as loading; loading.load = lambda *_: time.sleep(999)"
    (tmp_path / "sitecustomize.py").write_text(script)
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    with terminal("generate", "-m", "demo", "Hi", env={**env, "PYTHONPATH": path}) as screen:
        screen.wait_for("Loading demo…".encode())
        screen.signal(number)
        assert screen.wait() == 128 + number
    assert screen.output.endswith(b"\x1b[2K")
