"""Completion for shells: the right script, installed where the shell finds it, and its answers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distilgpt2_cli.cli.app import COMMANDS
from tests.support.run import run, terminal, with_distil

MARKS = {
    "bash": b"complete -o default -F",
    "zsh": b"#compdef distil",
    "fish": b"complete --command",
}
INSTALLED = {
    "bash": ".bash_completions/distil.sh",
    "zsh": ".zfunc/_distil",
    "fish": ".config/fish/completions/distil.fish",
}


def shown(output: bytes) -> list[str]:
    """Return the shells whose scripts an output has."""
    return [shell for shell, mark in MARKS.items() if mark in output]


@pytest.mark.parametrize("shell", MARKS)
def test_the_named_shell_wins_then_the_user_s(env: dict[str, str], shell: str) -> None:
    other = "bash" if shell == "zsh" else "zsh"
    for arguments, user_shell in (
        (["--show-completion", shell], other),
        ([f"--show-completion={shell}"], other),
        (["--show-completion"], shell),
    ):
        result = run(*arguments, env={**env, "SHELL": f"/usr/bin/{user_shell}"})
        assert (result.returncode, result.stderr) == (0, b"")
        assert shown(result.stdout) == [shell]


@pytest.mark.parametrize("user_shell", [{}, {"SHELL": "/bin/tcsh"}])
def test_without_a_known_one_the_shell_that_runs_distil(
    env: dict[str, str], user_shell: dict[str, str]
) -> None:
    command = f"{sys.executable} -m distilgpt2_cli --show-completion; true"  # or bash becomes it
    result = subprocess.run(["bash", "-c", command], env={**env, **user_shell}, capture_output=True)
    assert shown(result.stdout) == ["bash"]


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_an_unknown_shell_is_an_error(env: dict[str, str], option: str) -> None:
    result = run(option, "ksh", env=env)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.decode() == (
        "Error: There is no completion for 'ksh'. Name one of bash, zsh, fish, as in"
        " `distil --show-completion zsh`.\n"
    )
    assert not Path(env["HOME"]).exists()
    assert run(option, "bash", "zsh", env=env).returncode == 2


def test_the_help_is_shown_beside_it(env: dict[str, str]) -> None:
    assert run("--show-completion", "--help", env=env).stdout == run("--help", env=env).stdout


@pytest.mark.parametrize("shell", INSTALLED)
def test_what_is_installed_is_what_is_shown(env: dict[str, str], shell: str) -> None:
    result = run("--install-completion", shell, env=env)
    path = Path(env["HOME"], INSTALLED[shell])
    assert result.returncode == 0
    assert result.stdout.decode().startswith(f"{shell} completion installed in {path}\n")
    assert path.read_bytes() == run("--show-completion", shell, env=env).stdout


@pytest.mark.parametrize(("shell", "name"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_a_file_of_the_shell_keeps_its_lines_and_gets_one(
    env: dict[str, str], shell: str, name: str
) -> None:
    file = Path(env["HOME"], name)
    file.parent.mkdir()
    before = b"alias l=ls # \xff"
    file.write_bytes(before)
    for _ in range(2):
        assert run("--install-completion", shell, env=env).returncode == 0
    kept, line, nothing = file.read_bytes().split(b"\n")
    assert (kept, nothing) == (before, b"")
    assert line.startswith({"bash": b"source", "zsh": b"fpath+="}[shell])


def test_the_folders_that_zsh_and_fish_are_told(env: dict[str, str], tmp_path: Path) -> None:
    env |= {"ZDOTDIR": str(tmp_path / "z"), "XDG_CONFIG_HOME": str(tmp_path / "x")}
    for shell in ("zsh", "fish"):
        assert run("--install-completion", shell, env=env).returncode == 0
    assert (tmp_path / "z/.zshrc").is_file()
    assert (tmp_path / "x/fish/completions/distil.fish").is_file()


def test_a_file_that_cannot_be_written(env: dict[str, str]) -> None:
    Path(env["HOME"], ".bashrc").mkdir(parents=True)
    result = run("--install-completion", "bash", env=env)
    assert (result.returncode, result.stdout) == (1, b"")
    assert b".bashrc can't be read: Is a directory. " in result.stderr


def in_bash(env: dict[str, str], words: list[str]) -> list[str]:
    """Return what the installed script completes the last word to."""
    script = (
        'source "$HOME/.bashrc"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        '_distil_completion distil; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    result = subprocess.run(
        ["bash", "-c", script, "bash", *words], env=env, capture_output=True, check=True
    )
    assert result.stderr == b""
    return result.stdout.decode().split("\n")[:-1]


def test_names_options_and_values_in_bash(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "it's").mkdir()
    env = with_distil({**env, "HOME": str(tmp_path / "it's")}, tmp_path)
    assert run("--install-completion", "bash", env=env).returncode == 0
    assert in_bash(env, ["distil", ""]) == list(COMMANDS)
    assert in_bash(env, ["distil", "re"]) == ["replay", "remove"]
    assert in_bash(env, ["distil", "generate", "--temp"]) == ["--temperature"]
    assert in_bash(env, ["distil", "tokenize", "--quant", "q4_k"]) == ["q4_k_s", "q4_k_m"]


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".bashrc"),
        pytest.param(
            *("zsh", ".zshrc"),
            marks=pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh"),
        ),
    ],
)
def test_keys_in_a_shell(env: dict[str, str], tmp_path: Path, shell: str, file: str) -> None:
    home = Path(env["HOME"])
    home.mkdir()
    (home / file).write_text("PS1='ready '")
    env = with_distil(env, tmp_path)
    assert run("--install-completion", shell, env=env).returncode == 0
    with terminal(env=env, program=(shell, "-i")) as screen:
        screen.wait_for(b"ready ")
        screen.type(b"distil toke\t")
        screen.wait_for(b"tokenize")
        screen.type(b"--quant Q8\t")
        screen.wait_for(b"Q8_0")


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish")
def test_names_and_values_in_fish(env: dict[str, str], tmp_path: Path) -> None:
    env = with_distil(env, tmp_path)
    assert run("--install-completion", "fish", env=env).returncode == 0
    for line, completed in (("distil toke", "tokenize"), ("distil score --quant Q8", "Q8_0")):
        command = ["fish", "-c", f"complete --do-complete '{line}'"]
        output = subprocess.run(command, env=env, capture_output=True, check=True).stdout.decode()
        assert [found.split("\t")[0] for found in output.splitlines()] == [completed]


def answer(env: dict[str, str], **variables: str) -> str:
    """Return what distil answers to a shell's script."""
    return run(env={**env, **variables}).stdout.decode()


def test_the_answer_to_zsh(env: dict[str, str]) -> None:
    for words, completed in (
        ("distil score", '"score":"Score each token of a text, given the tokens before it."'),
        ("distil generate --quant Q4_K_M", '"Q4_K_M":"85.0 MB"'),
    ):
        output = answer(env, _DISTIL_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=words)
        assert output == f"_arguments '*: :(({completed}))'\n"


def test_the_answer_to_fish(env: dict[str, str]) -> None:
    variables = {"_DISTIL_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    output = answer(env, **variables, _TYPER_COMPLETE_ARGS="distil generate --quant Q4_K")
    assert output == "Q4_K_S\t82.4 MB\nQ4_K_M\t85.0 MB\n"


def test_an_answer_imports_no_other_command_and_no_rich(env: dict[str, str]) -> None:
    variables = {"_DISTIL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "distil generate --s"}
    script = (
        "import sys\n"
        "from distilgpt2_cli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(*(name for name, module in sys.modules.items() if module), sep='\\n')\n"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env={**env, **variables}, capture_output=True, check=True)
    imported = set(result.stdout.decode().splitlines())
    assert "distilgpt2_cli.cli.generate" in imported
    assert not imported & {"rich", "distilgpt2_cli.cli.score", "distilgpt2_cli.cli.early"}
