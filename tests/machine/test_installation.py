"""Commands that install what is missing: they are for the environment that ``distil`` runs in."""

import subprocess
from pathlib import Path

import pytest

from tests.support.installed import environment_without, without_index, write_wheel

# What each extra brings, and a command that needs it.
SERVE = ("starlette", "uvicorn", "httptools")
EXTRAS = {
    "serve": (SERVE, ("serve", "--model", "demo")),
    "write": (("prompt_toolkit",), ("write", "--model", "demo")),
    "plot": (
        ("matplotlib",),
        ("perplexity", "--model", "demo", "--plot", "x.svg", "/etc/hostname"),
    ),
}


def remedy(python: Path, arguments: tuple[str, ...], env: dict[str, str], folder: Path) -> str:
    """Return the command that a run names which lacks something."""
    command = [str(python), "-m", "distilgpt2_cli", *arguments]
    result = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    what, _, found = result.stderr.strip().partition(" with: ")
    assert "not installed. Install " in what
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_in_an_environment_of_pipx(
    env: dict[str, str], tmp_path: Path, extra: str
) -> None:
    packages, arguments = EXTRAS[extra]
    python = environment_without(tmp_path / "pipx" / "venvs" / "distilgpt2-cli-2", packages)
    (python.parents[1] / "pipx_metadata.json").write_text("{}")
    found = remedy(python, arguments, env, tmp_path)
    assert found.startswith("pipx inject distilgpt2-cli-2 '")
    assert all(f" '{name.replace('_', '-')}<" in found for name in packages)


def test_an_extra_in_an_environment_of_uv(env: dict[str, str], tmp_path: Path) -> None:
    """Whether it is that of a tool or one that a person has made: both have no pip."""
    packages, arguments = EXTRAS["serve"]
    home = Path(env["HOME"])
    folder = home / ".local" / "share" / "uv" / "tools" / "distilgpt2-cli"
    python = environment_without(folder, (*packages, "pip"))
    (folder / "uv-receipt.toml").write_text("[tool]\n")
    found = remedy(python, arguments, env, tmp_path)
    place = "~/.local/share/uv/tools/distilgpt2-cli/bin/python"
    assert found.startswith(f"uv pip install --python {place} 'httptools<")


def test_an_extra_in_an_environment_with_pip(env: dict[str, str], tmp_path: Path) -> None:
    """The command is run, and then nothing is missing; the name of the folder is hard to quote."""
    packages, arguments = EXTRAS["serve"]
    python = environment_without(Path(env["HOME"]) / "my 'env'", packages)
    found = remedy(python, arguments, env, tmp_path)
    for name, version in (("starlette", "1.0"), ("uvicorn", "0.49"), ("httptools", "0.7")):
        write_wheel(tmp_path / "wheels", name, version)
    again = {**env, **without_index(tmp_path / "wheels")}
    result = subprocess.run(found, shell=True, env=again, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    names = f"import {', '.join(packages)}"
    assert subprocess.run([python, "-c", names], env=env).returncode == 0


def test_an_extra_where_distil_is_not_installed(env: dict[str, str], tmp_path: Path) -> None:
    """It runs from a clone, whose folder pip can install."""
    packages, arguments = EXTRAS["write"]
    clone = Path(__file__).parents[2]
    python = environment_without(tmp_path / "env", (*packages, "distilgpt2", "_editable_impl"))
    found = remedy(python, arguments, {**env, "PYTHONPATH": str(clone)}, tmp_path)
    assert found.endswith(f" -m pip install '{clone}[write]'")


def test_bindings_that_can_not_be_loaded(env: dict[str, str], tmp_path: Path) -> None:
    python = environment_without(tmp_path / "venvs" / "distilgpt2-cli", ("llama_cpp",))
    (python.parents[1] / "pipx_metadata.json").write_text("{}")
    command = [str(python), "-m", "distilgpt2_cli", "generate", "-m", "demo", "Hi"]
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert result.returncode == 1
    assert "llama-cpp-python can't be loaded" in result.stderr
    assert "Install it again: pipx runpip distilgpt2-cli install --force-reinstall" in result.stderr
    assert len(result.stderr.splitlines()) == 1
