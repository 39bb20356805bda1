"""Where the model of a command comes from: options, environment, cache, Hub."""

import json
from pathlib import Path

import pytest

from distilgpt2_cli.cli.shared.options import complete_quantization
from distilgpt2_cli.models.catalog import CATALOG, REPOSITORY
from tests.support.hub import Hub
from tests.support.run import run


@pytest.fixture
def own(tiny: Path, tmp_path: Path) -> Path:
    """A model file of the user's own."""
    path = tmp_path / "own.gguf"
    path.symlink_to(tiny)
    return path


@pytest.fixture
def hub(hub: Hub, tiny: Path) -> Hub:
    """A Hub with two quantizations that llama.cpp loads."""
    content = tiny.read_bytes()
    hub.add(REPOSITORY, {f"distilgpt2.{quant}.gguf": content for quant in ("Q4_K_M", "Q2_K")})
    return hub


def model_of(*arguments: str, env: dict[str, str]) -> dict[str, str | None]:
    """Return the model that ``distil generate`` says it has used."""
    result = run("generate", "--json", "--max-tokens", "1", *arguments, "Hello", env=env)
    assert result.returncode == 0, result.stderr
    model: dict[str, str | None] = json.loads(result.stdout)["model"]
    return model


def test_a_missing_model_is_downloaded_first_and_then_found_without_a_request(hub: Hub) -> None:
    arguments = (
        "generate",
        "-q",
        "q4_k_m",
        "--revision",
        "main",
        "--seed",
        "42",
        "--max-tokens",
        "2",
        "Once",
    )
    first = run(*arguments, env=hub.environment())
    assert first.returncode == 0
    assert b"Downloading distilgpt2.Q4_K_M.gguf" in first.stderr
    hub.requests.clear()
    second = run(*arguments, env=hub.environment())
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert b"Downloading" not in second.stderr
    assert hub.requests == []


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [(["--offline"], {}), ([], {"HF_HUB_OFFLINE": "1"})],
)
def test_offline_it_says_how_to_get_the_model(
    hub: Hub, arguments: list[str], changes: dict[str, str]
) -> None:
    asked = ("-q", "q2_k", "--revision", "main")
    generate = ("generate", "--max-tokens", "1", "Once", *asked, *arguments)
    result = run(*generate, env=hub.environment(**changes))
    assert (result.returncode, result.stdout) == (3, b"")
    assert b"`distil download --quant Q2_K --revision main`" in result.stderr
    assert hub.requests == []
    run("download", *asked, env=hub.environment())
    assert run(*generate, env=hub.environment(**changes)).returncode == 0


def test_the_environment_names_a_model(hub: Hub, own: Path) -> None:
    by_quant = hub.environment(DISTIL_QUANT="q2_k")
    assert model_of("--revision", "main", env=by_quant)["name"] == "distilgpt2.Q2_K.gguf"
    by_both = hub.environment(DISTIL_QUANT="q2_k", DISTIL_MODEL=str(own))
    assert model_of(env=by_both)["path"] == str(own)


def test_an_option_beats_the_environment(hub: Hub, own: Path) -> None:
    by_path = hub.environment(DISTIL_MODEL=str(own))
    for arguments in (("-q", "q2_k", "--revision", "main"), ("--revision", "main")):
        assert model_of(*arguments, env=by_path)["repository"] == REPOSITORY
    by_quant = hub.environment(DISTIL_QUANT="no such")
    model = model_of("--model", str(own), env=by_quant)
    assert model["path"] == str(own)
    assert (model["repository"], model["revision"]) == (None, None)
    assert model["sha256"]


@pytest.mark.parametrize("option", ["--quant", "--repo", "--revision"])
def test_a_path_and_a_name_on_the_hub_contradict(
    env: dict[str, str], own: Path, option: str
) -> None:
    result = run("generate", "--model", str(own), option, "Q2_K", "Hello", env=env)
    assert result.returncode == 2
    assert f"--model and {option} can't be combined".encode() in result.stderr


def test_a_path_to_nothing_is_reported(env: dict[str, str], tmp_path: Path) -> None:
    result = run("generate", "--model", str(tmp_path / "none.gguf"), "Hello", env=env)
    assert result.returncode == 3
    assert b"none.gguf can't be opened: No such file or directory" in result.stderr


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("", [entry.quantization for entry in CATALOG]),
        ("Q4_K", ["Q4_K_S", "Q4_K_M"]),
        ("q4_k", ["q4_k_s", "q4_k_m"]),
        ("Q9", []),
    ],
)
def test_quantizations_are_completed_in_the_case_that_was_typed(
    typed: str, completed: list[str]
) -> None:
    assert [name for name, _ in complete_quantization(typed)] == completed


@pytest.mark.parametrize("command", ["generate", "download"])
def test_the_shell_completes_quantizations(env: dict[str, str], command: str) -> None:
    asked = {
        "_DISTIL_COMPLETE": "complete_bash",
        "COMP_WORDS": f"distil {command} -q q8",
        "COMP_CWORD": "3",
    }
    result = run(env={**env, **asked})
    assert result.stdout.decode().split() == ["q8_0"]
