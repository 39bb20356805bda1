"""Text that would act on a terminal, from a model, its metadata, and names of files."""

import json
import os
import subprocess
import unicodedata
from pathlib import Path

import gguf as gguf_format
import pytest

from tests.support import reciting
from tests.support.hub import Hub
from tests.support.run import DISTIL, run, terminal
from tests.support.stock import MAIN, NAME, stock

GREEDY = ("--seed", "1", "--temperature", "0", "--max-tokens", "-1")
HOSTILE = (
    "[bold]", "[/]", ":skull:", "\x1b[31m", "\x1b]8;;http://evil.example\x1b\\", "\x07", "\x08",
    "\x1b]52;c;ZXZpbA==\x07", "\x1bP+q\x1b\\", "\x9b2J", "\x9d0;t\x9c", "\x85", "\x7f", "\x00",
    "\r", "\u202e", "\u2066", "\u2069", "\x1b[?1049h", "\x1bc",
)  # fmt: skip
NO_COLOUR = {"NO_COLOR": "1"}


def every_plane() -> str:
    """Return characters of all 17 planes, what is made of several, and what stands in no font."""
    planes = "".join(chr(plane * 0x10000 + 0x61) for plane in range(17))
    joined = "e\u0301o\u0308\u0323 \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea"
    return f"{planes} {joined} 가 नि \u0e19\u0e49\u0e33 \ufeff\ufffe\U0010ffff\u2028"


def packets(command: list[str], env: dict[str, str]) -> list[bytes]:
    """Run a command and return each of its writes, through a pipe that keeps them apart."""
    read, write = os.pipe2(os.O_DIRECT)
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=write) as process:
        os.close(write)
        parts = []
        while part := os.read(read, 65536):
            parts.append(part)
        os.close(read)
    assert process.returncode == 0
    return parts


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="no pipes that keep writes apart")
def test_each_write_is_whole_characters(env: dict[str, str], tmp_path: Path) -> None:
    """The model says a byte a token, so that most tokens end within a character."""
    text = every_plane()
    model = reciting.write(tmp_path / "m.gguf", [bytes([byte]) for byte in text.encode()])
    parts = packets([*DISTIL, "generate", "-m", str(model), *GREEDY], env)
    assert "".join(part.decode() for part in parts) == text + "\n"
    assert [part.decode() for part in parts] == [*text, "\n"]


def test_bytes_that_are_not_utf8_become_replacement_characters(
    env: dict[str, str], tmp_path: Path
) -> None:
    said = [b"a", b"\xff", b"\xe2", b"\x82", b"b", b"\xed\xa0\x80", b"\xf0\x9f\x91"]
    model = reciting.write(tmp_path / "m.gguf", said)
    output = run("generate", "-m", str(model), *GREEDY, env=env).stdout
    assert output.decode() == b"".join(said).decode(errors="replace") + "\n"


@pytest.mark.parametrize("split", [False, True])
def test_what_a_model_says_reaches_a_terminal_as_visible_text(
    env: dict[str, str], tmp_path: Path, split: bool
) -> None:
    text = "".join(HOSTILE)
    pieces = [piece.encode() for piece in HOSTILE]
    said = [bytes([byte]) for byte in text.encode()] if split else pieces
    model = reciting.write(tmp_path / "m.gguf", said)
    arguments = ("generate", "-m", str(model), *GREEDY)
    assert run(*arguments, env=env).stdout.decode() == text + "\n"
    with terminal(*arguments, env={**env, **NO_COLOUR}, columns=500) as screen:
        assert screen.wait() == 0
    assert_harmless(screen.output)
    assert b"[bold][/]:skull:" in screen.output
    record = run(*arguments, "--json", env=env).stdout
    assert record.isascii()
    assert json.loads(record)["text"] == text


def assert_harmless(output: bytes) -> None:
    """See to it that nothing but line ends controls the terminal."""
    acting = {c for c in output.decode() if unicodedata.category(c) in ("Cc", "Cs")}
    assert acting <= {"\r", "\n"}
    assert not set(output.decode()) & {"\u202e", "\u2066", "\u2069"}


def test_json_on_a_terminal_is_harmless(env: dict[str, str], tmp_path: Path) -> None:
    model = reciting.write(tmp_path / "m.gguf", [piece.encode() for piece in HOSTILE])
    arguments = ("generate", "-m", str(model), *GREEDY, "--json")
    with terminal(*arguments, env={**env, **NO_COLOUR}, columns=5000) as screen:
        assert screen.wait() == 0
    assert screen.output.isascii()
    assert_harmless(screen.output)


def test_metadata_in_llama_cpp_s_reason(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "evil.gguf"
    writer = gguf_format.GGUFWriter(path, "a\x1b]52;c;ZXZpbA==\x07\n\u202e[bold]")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    arguments = ("generate", "-m", str(path), "Hi")
    with terminal(*arguments, env={**env, **NO_COLOUR}, columns=900) as screen:
        assert screen.wait() == 4
    assert_harmless(screen.output)
    assert rb"\x1b]52;c;ZXZpbA==\x07\n\u202e[bold]" in screen.output
    assert run(*arguments, env=env).stderr.count(b"\n") == 1


def test_arguments_that_nobody_understands(env: dict[str, str]) -> None:
    """As from a pattern of the shell that names of files have matched."""
    names = [f"{name}.gguf" for name in HOSTILE if name != "\0"]
    for arguments in (("models", *names), ("models", f"--{names[3]}"), (names[7],)):
        with terminal(*arguments, env={**env, **NO_COLOUR}, columns=900) as screen:
            assert screen.wait() == 2
        assert_harmless(screen.output)


def test_a_path_that_is_not_utf8(hub: Hub, tmp_path: Path) -> None:
    """Alone, the byte is the C1 control that begins a sequence; pipes get it as it is."""
    stock(hub)
    folder = os.fsencode(tmp_path) + b"/\x9b31m\xff"
    arguments = (*MAIN, "--to", os.fsdecode(folder))
    with terminal(*arguments, env=hub.environment(**NO_COLOUR, TERM="dumb")) as screen:
        assert screen.wait() == 0
    assert_harmless(screen.output)
    assert rb"\x9b31m\xff" in screen.output
    result = run(*arguments, env=hub.environment())
    assert result.stdout == folder + b"/" + NAME.encode() + b"\n"
    assert json.loads(run(*arguments, "--json", env=hub.environment()).stdout)["name"] == NAME


def test_a_name_in_the_bar(hub: Hub, tmp_path: Path) -> None:
    name = "[bold]:skull:\x1b]8;;x\x07\u202e\n{task}.Q8_0.gguf"
    hub.add("evil/models", {name: b"x" * 300_000})
    arguments = ("download", "--repo", "evil/models", "-q", "Q8_0", "--to", str(tmp_path / "m"))
    with terminal(*arguments, env=hub.environment(**NO_COLOUR), columns=300) as screen:
        assert screen.wait() == 0
    shown = rb"[bold]:skull:\x1b]8;;x\x07\u202e\n{task}.Q8_0.gguf"
    assert shown in screen.output
    for acting in (b"\x1b]8", b"\x07", "\u202e".encode()):
        assert acting not in screen.output
    assert (tmp_path / "m" / name).exists()
