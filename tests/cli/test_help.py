"""Help is instant, complete, and the documentation is made from it."""

import re
import shlex
import subprocess
import sys

import pytest

from distilgpt2_cli import __version__
from distilgpt2_cli.cli.app import COMMANDS, commands_of, every_command, load_command
from distilgpt2_cli.engine import GenerationOptions
from tests.support.run import DISTIL, environment, run, terminal

PARSERS = ("typer", "json", "pathlib", "typing")
ENGINE = ("ctypes", "distilgpt2_cli.cli.early", "distilgpt2_cli.cli.generate")
OF_MAP = ("distilgpt2_cli.cli.map.score", "distilgpt2_cli.cli.map.features", "ray", "pyarrow")
HEAVY = (
    *("llama_cpp", "numpy", "huggingface_hub", "rich", "pydantic"),
    *("starlette", "uvicorn", "asyncio"),
)


EVERY = [" ".join(names) for names in every_command()]


@pytest.mark.parametrize("command", EVERY)
def test_every_command_s_help_shows_examples(env: dict[str, str], command: str) -> None:
    result = run(*command.split(), "--help", env=env)
    assert result.returncode == 0
    assert f"  distil {command}" in result.stdout.decode().partition("Examples:")[2]
    assert run("help", *command.split(), env=env).stdout == result.stdout


def test_the_program_s_help_shows_commands_and_examples(env: dict[str, str]) -> None:
    text = run("--help", env=env).stdout.decode()
    for command in COMMANDS:
        assert f"  {command} " in text
    assert "Examples:" in text


def test_no_command_is_wrong_usage_and_shows_the_help(env: dict[str, str]) -> None:
    result = run(env=env)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Examples:" in result.stderr


def test_a_group_s_help_shows_its_commands(env: dict[str, str]) -> None:
    text = run("map", "--help", env=env).stdout.decode()
    assert "Usage: distil map [OPTIONS] COMMAND" in text
    for command, (_, summary) in commands_of(["map"]).items():
        assert re.search(rf"\n  {command} +{re.escape(summary)}\n", text)
    asked_for_nothing = run("map", env=env)
    assert (asked_for_nothing.returncode, asked_for_nothing.stdout) == (2, b"")
    assert asked_for_nothing.stderr.decode() == text


def test_a_default_is_the_same_in_every_command() -> None:
    """But for the limits of suggestions, of variants' completions, and of a server's requests."""
    others = [(command, "max_tokens") for command in ("probe", "write", "serve")]
    for command in EVERY:
        for parameter in load_command(*command.split()).params:
            own = getattr(GenerationOptions(), str(parameter.name), None)
            if isinstance(own, int | float) and (command, parameter.name) not in others:
                assert parameter.default == own, (command, parameter.name)


@pytest.mark.parametrize("name", EVERY)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_help(name: str) -> None:
    *group, last = name.split()
    _, summary = commands_of(group)[last]
    assert load_command(*name.split()).help.splitlines()[0] == summary


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


def test_the_options_of_a_command_need_no_engine_and_no_other_process() -> None:
    """Shells ask for them at every Tab."""
    script = (
        "import sys\n"
        "from importlib import import_module\n"
        "for name in ('generate', 'score', 'features', 'perplexity', 'lens', 'probe',"
        " 'next_tokens', 'map.generate', 'map.score', 'map.features'):\n"
        "    import_module(f'distilgpt2_cli.cli.{name}')\n"
        "unwanted = ('numpy', 'multiprocessing', 'distilgpt2_cli.engine.llama.bindings', 'ray',"
        " 'pyarrow')\n"
        "assert not [name for name in unwanted if name in sys.modules]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--version"], PARSERS + ENGINE + HEAVY),
        (["--show-completion", "bash"], PARSERS + ENGINE + HEAVY),
        (["--install-completion", "fish"], PARSERS + ENGINE + HEAVY),
        (["--help"], ENGINE + HEAVY),
        (["generate", "--help"], HEAVY),
        (["map", "--help"], (*HEAVY, *OF_MAP, "distilgpt2_cli.cli.map.generate")),
        (["map", "score", "--help"], (*HEAVY, *OF_MAP[1:])),
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


# All in one process, because each start takes long.
ALL_HELP = """
import sys
from distilgpt2_cli.__main__ import main
for name in sys.argv[1:]:
    sys.argv = ["distil", *name.split(), "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, name
"""


@pytest.fixture(scope="module")
def all_help(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Return the help of all commands, by the columns of the terminal."""
    env = environment(tmp_path_factory.mktemp("home"))
    shown = {}
    for columns in (60, 80, 100, 200):
        program = (sys.executable, "-c", ALL_HELP)
        with terminal("", *EVERY, env=env, columns=columns, program=program) as screen:
            assert screen.wait() == 0
        shown[columns] = screen.output.decode().replace("\r\n", "\n")
    return shown


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_help_fits_the_terminal(all_help: dict[int, str], columns: int) -> None:
    lines = all_help[columns].split("\n")
    assert [line for line in lines if len(line) > min(columns, 100)] == []
    assert max(map(len, lines)) > min(columns, 100) - 6  # and uses its width
    for _, summary in COMMANDS.values():
        assert summary.split() in [
            words[1:] for words in map(str.split, _commands(all_help[columns]))
        ]


def _commands(text: str) -> list[str]:
    """Return the entries of the command list, each with its further lines."""
    listed = text.partition("Commands:\n")[2].partition("\n\n")[0]
    return re.split(r"\n  (?=\w)", listed)


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_help_breaks_between_words(all_help: dict[int, str], columns: int) -> None:
    assert _words(all_help[columns]) == _words(all_help[200])


def _words(text: str) -> list[str]:
    return text.replace(" \\\n", " ").split()


def test_examples_are_commands_at_any_width(all_help: dict[int, str]) -> None:
    """A shell reads the same from the lines of a narrow terminal as from those of a wide one."""
    narrow, wide = (_example_arguments(all_help[columns]) for columns in (60, 200))
    assert len(wide) > 60
    assert narrow == wide


def _example_arguments(text: str) -> list[list[str]]:
    joined = text.replace("\\\n", "")
    examples = (part.partition("Usage:")[0] for part in joined.split("Examples:\n")[1:])
    return [shlex.split(line) for part in examples for line in part.splitlines() if line]


def test_help_in_a_pager_fits_its_terminal(env: dict[str, str]) -> None:
    program = ("sh", "-c", '"$@" | cat', "sh", *DISTIL)
    with terminal("generate", "--help", env=env, columns=60, program=program) as screen:
        assert screen.wait() == 0
    lines = screen.output.decode().split("\r\n")
    assert 50 < max(map(len, lines)) <= 60


def test_the_command_reference_is_current() -> None:
    subprocess.run([sys.executable, "docs/generate.py", "--check"], check=True)
