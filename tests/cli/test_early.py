"""The first look at the command line finds the model that the command then uses."""

import json
from pathlib import Path

import pytest

from distilgpt2_cli.cli.early import likely_model
from distilgpt2_cli.models import demo
from tests.support.hub import Hub
from tests.support.run import run
from tests.support.stock import stock


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "demo"),
        ("-m", "demo"),
        ("-mdemo",),
        ("--model=demo",),
        ("Hello", "--model", "other", "--seed", "1", "--model", "demo"),
    ],
)
def test_the_model_on_the_command_line(arguments: tuple[str, ...]) -> None:
    commands = (
        *("generate", "write", "next", "score", "features", "lens", "tokenize"),
        *("probe", "batch"),
    )
    for command in commands:
        assert likely_model([command, *arguments], {"DISTIL_MODEL": "x"}) == demo().path


def test_the_model_in_the_environment(tiny: Path) -> None:
    environment = {"DISTIL_MODEL": str(tiny)}
    assert likely_model(["generate", "Hello"], environment) == tiny
    assert likely_model(["generate", "--quant", "Q8_0"], environment) is None


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["models", "-m", "demo"],
        ["download", "--quant", "Q8_0"],
        ["generate", "--help", "-m", "demo"],
        ["generate", "--model"],
        ["generate", "--model", "nowhere.gguf"],
        ["generate", "--quant", "Q99"],
        ["generate", "--repo=OWNER/NAME"],
        ["generate", "--revision", "main"],
    ],
)
def test_nothing_is_begun_where_nothing_is_known(arguments: list[str]) -> None:
    assert likely_model(arguments, {}) is None


@pytest.mark.parametrize("arguments", [("--quant", "q8_0"), ("-qQ4_K_M",), ()])
def test_a_downloaded_quantization(
    hub: Hub, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(hub)
    environment = hub.environment()
    assert run("download", "--revision", "main", env=environment).returncode == 0
    for name in ("HF_HOME", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, environment.get(name, "0"))
    # What was downloaded is on main, so that the catalog's commit is not there: nothing is begun.
    assert likely_model(["generate", *arguments], {}) is None


def test_a_wrong_guess_changes_nothing(env: dict[str, str], tiny: Path) -> None:
    """The stop sequence looks like an option; what is used is what the parser says."""
    arguments = ("generate", "-m", str(tiny), "--stop", "-mdemo", "--json", "-s", "1", "Hi")
    result = run(*arguments, "--max-tokens", "2", env=env)
    assert result.returncode == 0
    assert json.loads(result.stdout)["model"]["path"] == str(tiny)
