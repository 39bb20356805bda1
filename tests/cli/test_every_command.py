"""One run of each command, on the demo model or a small file from a Hub.

Each is a new Python, which imports what the command needs and nothing else.
"""

import json
from pathlib import Path

import pytest

from distilgpt2_cli.cli.app import COMMANDS
from distilgpt2_cli.errors import ExitStatus
from tests.support import checkpoints
from tests.support.emulator import emulated
from tests.support.hub import Hub
from tests.support.run import run
from tests.support.server import serving
from tests.support.stock import MAIN, stock

DEMO = ("-m", "demo")
TEXT = "Once upon a time there was a little girl named Lily."
RUNS = {
    "generate": (*DEMO, "--max-tokens", "5", TEXT),
    "next": (*DEMO, TEXT),
    "score": (*DEMO, TEXT),
    "perplexity": (*DEMO, "--quiet", "-"),
    "choose": (*DEMO, "--quiet"),
    "features": (*DEMO, "--pool", "mean", TEXT),
    "lens": (*DEMO, TEXT),
    "probe": (*DEMO, "-n", "2", "--max-tokens", "5", "The {boy|girl} said"),
    "tokenize": (*DEMO, TEXT),
    "batch": (*DEMO, "--quiet", "-"),
    "info": DEMO,
    "models": (),
    "bench": (*DEMO, "--tokens", "4", "--repetitions", "1", "--threads", "1", "--quiet"),
    "doctor": (),
    "help": ("generate",),
}
TEXT_20 = f"{TEXT}\n".encode() * 20
REQUEST = {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {"prompt": TEXT}}
ITEM = {"context": "Once upon a", "choices": ["time", "tree"], "gold": 0}
STDIN = {"batch": json.dumps(REQUEST).encode(), "choose": json.dumps(ITEM).encode()}
OF_DOWNLOADS = ("download", "verify", "remove")
ELSEWHERE = ("import", "map", "replay", "write", "serve", "quantize")


@pytest.mark.parametrize("command", RUNS)
def test_a_run(hub: Hub, command: str) -> None:
    env = stock(hub).environment()
    result = run(command, *RUNS[command], env=env, stdin=STDIN.get(command, TEXT_20), fresh=True)
    assert result.returncode == ExitStatus.DONE, result.stderr
    assert result.stdout


def test_downloads(hub: Hub) -> None:
    env = stock(hub).environment()
    assert run(*MAIN, env=env, fresh=True).stdout
    assert b"intact" in run("verify", "--revision", "main", env=env, fresh=True).stdout
    remove = ("remove", "--revision", "main", "--yes")
    assert run(*remove, env=env, fresh=True).returncode == ExitStatus.DONE


def test_replay(env: dict[str, str]) -> None:
    record = run("generate", *DEMO, "--json", "--max-tokens", "5", TEXT, env=env).stdout
    assert run("replay", "-", env=env, stdin=record, fresh=True).returncode == ExitStatus.DONE


def test_write(env: dict[str, str], tmp_path: Path) -> None:
    with emulated("write", *DEMO, str(tmp_path / "text"), env=env) as on:
        on.wait_for("New file.")


def test_serve(env: dict[str, str]) -> None:
    with serving("--model", "demo", env=env) as server:
        assert server.complete(prompt=TEXT, max_tokens=5).status == 200


def test_quantize(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    arguments = (str(tiny), "--quant", "Q8_0", "--to", str(tmp_path))
    result = run("quantize", *arguments, env=env, fresh=True)
    assert result.stdout == f"{tmp_path}/tiny.Q8_0.gguf\n".encode()


@pytest.mark.parametrize("command", ["generate", "score", "features"])
def test_map(env: dict[str, str], tmp_path: Path, command: str) -> None:
    path, folder = tmp_path / "texts.txt", tmp_path / "results"
    path.write_text(f"{TEXT}\n")
    result = run("map", command, *DEMO, str(path), "-o", str(folder), env=env, fresh=True)
    assert result.stdout.decode() == f"{folder}\n", result.stderr
    assert (folder / "part-000000.txt").read_text().endswith("\n")


def test_import(env: dict[str, str], tmp_path: Path) -> None:
    adapter = checkpoints.write_adapter(tmp_path / "rhymes")
    assert run("import", str(adapter), env=env, fresh=True).stdout.endswith(b"rhymes.lora.gguf\n")


def test_none_is_missing() -> None:
    assert {*RUNS, *OF_DOWNLOADS, *ELSEWHERE} == COMMANDS.keys()
