"""Help is instant, complete, and the documentation is made from it."""

import subprocess
import sys

import pytest

from distilgpt2_cli.cli.app import COMMANDS
from tests.support.run import run

HEAVY = (
    *("llama_cpp", "numpy", "huggingface_hub", "rich", "pydantic"),
    *("starlette", "uvicorn", "asyncio"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_s_help_shows_examples(env: dict[str, str], command: str) -> None:
    result = run(command, "--help", env=env)
    assert result.returncode == 0
    assert f"  distil {command}" in result.stdout.decode().partition("Examples:")[2]


def test_the_program_s_help_shows_commands_and_examples(env: dict[str, str]) -> None:
    text = run("--help", env=env).stdout.decode()
    for command in COMMANDS:
        assert f"  {command} " in text
    assert "Examples:" in text


def test_no_command_is_wrong_usage_and_shows_the_help(env: dict[str, str]) -> None:
    result = run(env=env)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Examples:" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["generate", "--help"], ["info", "--citation"]]
)
def test_nothing_heavy_is_imported_where_it_is_not_needed(
    env: dict[str, str], arguments: list[str]
) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['distil', *{arguments!r}]\n"
        "from distilgpt2_cli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True)


def test_the_command_reference_is_current() -> None:
    subprocess.run([sys.executable, "docs/generate.py", "--check"], check=True)
