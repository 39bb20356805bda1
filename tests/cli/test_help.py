"""Help is instant, complete, and the documentation is made from it."""

import subprocess
import sys
from importlib import import_module

import pytest

from distilgpt2_cli import __version__
from distilgpt2_cli.cli.app import COMMANDS, load_command
from distilgpt2_cli.engine import GenerationOptions
from tests.support.run import run

PARSERS = ("typer", "json", "pathlib", "typing")
ENGINE = ("ctypes", "distilgpt2_cli.cli.early", "distilgpt2_cli.cli.generate")
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


def test_a_default_is_the_same_in_every_command() -> None:
    """But for the limits of suggestions, of variants' completions, and of a server's requests."""
    others = [(command, "max_tokens") for command in ("probe", "write", "serve")]
    for command in COMMANDS:
        for parameter in load_command(command).params:
            own = getattr(GenerationOptions(), str(parameter.name), None)
            if isinstance(own, int | float) and (command, parameter.name) not in others:
                assert parameter.default == own, (command, parameter.name)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_help(name: str) -> None:
    module, summary = COMMANDS[name]
    function = getattr(import_module(f"distilgpt2_cli.cli.{module}"), module)
    assert function.__doc__.splitlines()[0] == summary


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "generate"]])
def test_the_version(env: dict[str, str], arguments: list[str]) -> None:
    result = run(*arguments, env=env)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == f"distil {__version__}\n"


@pytest.mark.parametrize("argument", ["--version", "--show-completion=bash"])
def test_an_answer_that_cannot_be_written_is_an_error(env: dict[str, str], argument: str) -> None:
    for target, reason in ((">/dev/full", "No space left on device"), (">&-", "Bad file")):
        command = f'"$0" -m distilgpt2_cli "$1" {target}'
        result = subprocess.run(
            ["sh", "-c", command, sys.executable, argument], env=env, capture_output=True, text=True
        )
        assert result.returncode == 1
        assert result.stderr.startswith(f"Error: Standard output can't be written: {reason}")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--version"], PARSERS + ENGINE + HEAVY),
        (["--show-completion", "bash"], PARSERS + ENGINE + HEAVY),
        (["--install-completion", "fish"], PARSERS + ENGINE + HEAVY),
        (["--help"], ENGINE + HEAVY),
        (["generate", "--help"], HEAVY),
        (["info", "--citation"], HEAVY),
    ],
)
def test_nothing_is_imported_where_it_is_not_needed(
    env: dict[str, str], arguments: list[str], unwanted: tuple[str, ...]
) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['distil', *{arguments!r}]\n"
        "from distilgpt2_cli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"imported = [name for name in {unwanted!r} if name in sys.modules]\n"
        "assert not imported, imported\n"
    )
    subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True)


def test_the_command_reference_is_current() -> None:
    subprocess.run([sys.executable, "docs/generate.py", "--check"], check=True)
