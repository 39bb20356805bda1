"""Where the model of a command comes from: options, environment, cache, Hub."""

import itertools
import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from distilgpt2_cli.cli.shared.model_options import complete_quantization
from distilgpt2_cli.models.catalog import CATALOG, REPOSITORY
from tests.support.extent import ALL_CASES
from tests.support.forked import Run, run_all
from tests.support.hub import Hub
from tests.support.run import DISTIL, run, terminal


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


class Case(NamedTuple):
    """What names a model, in the four places; None for nothing, and empty variables are nothing."""

    model: str | None
    quant: str | None
    model_variable: str | None
    quant_variable: str | None

    def run(self, command: tuple[str, ...], *, with_model: bool) -> Run:
        """Return the run of a command in which these places have these values."""
        arguments = list(command)
        if self.model and with_model:
            arguments += [f"--model={self.model}"]
        if self.quant:
            arguments += ["--quant", self.quant]
        variables = {"DISTIL_MODEL": self.model_variable, "DISTIL_QUANT": self.quant_variable}
        return Run(arguments, {key: each for key, each in variables.items() if each is not None})

    def wanted(self, *, with_model: bool) -> str:
        """Return what an error or a record must name: the rule, written again."""
        if with_model and not self.quant and (self.model or self.model_variable):
            return (self.model or self.model_variable or "").replace("~", "HOME")
        return self.quant or self.quant_variable or "Q4_K_M"


CASES = [
    Case(*places)
    for places in itertools.product(
        (None, "~/option.gguf"),
        (None, "Q8_0"),
        (None, "", "~/variable.gguf"),
        (None, "", "Q5_0"),
    )
]
# One place at a time, and each place beside the next one that it beats or contradicts.
FEW = [
    case
    for case in CASES
    if sum(place is not None for place in case) <= 1
    or case
    in (
        Case("~/option.gguf", "Q8_0", None, None),
        Case("~/option.gguf", None, "~/variable.gguf", None),
        Case(None, "Q8_0", "~/variable.gguf", None),
        Case(None, "Q8_0", None, "Q5_0"),
        Case(None, None, "~/variable.gguf", "Q5_0"),
        Case(None, None, "", "Q5_0"),
    )
]
ONE_FILE = {
    "generate": ("generate", "Hi"),
    "next": ("next", "Hi"),
    "score": ("score", "Hi"),
    "features": ("features", "Hi"),
    "probe": ("probe", "{a|b}"),
    "tokenize": ("tokenize", "Hi"),
    "serve": ("serve",),
    "info": ("info",),
    "perplexity": ("perplexity", "-"),
    "bench": ("bench",),
}
OF_THE_CACHE = {
    "download": ("download", "--dry-run"),
    "verify": ("verify",),
    "remove": ("remove",),
}


@pytest.mark.parametrize("command", [*ONE_FILE, *OF_THE_CACHE])
def test_every_command_chooses_by_the_same_rule(
    env: dict[str, str], tmp_path: Path, command: str
) -> None:
    """Nothing is there, so that the error of each run names what was looked for."""
    with_model = command in ONE_FILE
    tried = CASES if command == "generate" or ALL_CASES else FEW
    cases = [case for case in tried if with_model or not case.model]
    arguments = (ONE_FILE | OF_THE_CACHE)[command]
    runs = [case.run(arguments, with_model=with_model) for case in cases]
    for case, result in zip(cases, run_all(runs, env, tmp_path), strict=True):
        said = (result.output + result.errors).replace(env["HOME"], "HOME")
        if case.model and case.quant:
            assert (result.status, "can't be combined" in said) == (2, True), case
        else:
            wanted = case.wanted(with_model=with_model)
            described = command in ("info", "download") and "gguf" not in wanted
            assert result.status == (0 if described else 3), (case, said)
            assert wanted in said, case
            others = {"option.gguf", "variable.gguf", "Q8_0", "Q5_0"} - {wanted.rpartition("/")[2]}
            assert not any(other in said for other in others), (case, said)


@pytest.mark.parametrize("variables", [{}, {"DISTIL_MODEL": ""}, {"DISTIL_MODEL": "~/v.gguf"}])
def test_the_editor_chooses_so_too(env: dict[str, str], variables: dict[str, str]) -> None:
    with terminal("write", env={**env, **variables, "DISTIL_QUANT": "q5_0"}, columns=200) as screen:
        assert screen.wait() == 3
    assert (b"home/v.gguf" if variables.get("DISTIL_MODEL") else b"Q5_0") in screen.output


def test_a_home_folder_is_meant_wherever_a_shell_does_not_expand_it(
    env: dict[str, str], tiny: Path
) -> None:
    home = Path(env["HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "own.gguf").symlink_to(tiny)
    for arguments, changes in (
        (["--model=~/own.gguf"], {}),
        (["--model", "~/own.gguf"], {}),
        ([], {"DISTIL_MODEL": "~/own.gguf"}),
    ):
        assert model_of(*arguments, env={**env, **changes})["path"] == str(home / "own.gguf")
    record = run("generate", "--json", "-m", str(tiny), "--max-tokens", "2", "Hi", env=env).stdout
    assert run("replay", "--model=~/own.gguf", "-", env=env, stdin=record).returncode == 0


def test_a_file_may_be_called_as_nobody_is(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "~nobody-of-this-name").symlink_to(tiny)
    command = [*DISTIL, "tokenize", "--model", "~nobody-of-this-name", "--ids", "Hi"]
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(command, env={**env, **path}, cwd=tmp_path, capture_output=True)
    assert result.returncode == 0, result.stderr


def test_another_quantization_that_is_downloaded_is_named_and_not_used(
    hub: Hub, tiny: Path
) -> None:
    """The same command line gives the same bytes, whatever is in the cache."""
    names = {name: f"distilgpt2.{name}.gguf" for name in ("Q2_K", "Q8_0", "Q4_K_M")}
    content = tiny.read_bytes()
    hub.add(REPOSITORY, {names["Q2_K"]: content, names["Q8_0"]: content + b"\0"})
    main = ("--revision", "main")
    assert run("download", *main, "-q", "q2_k", "-q", "q8_0", env=hub.environment()).returncode == 0
    generate = ("generate", *main, "--max-tokens", "1", "--seed", "1", "Hi")
    offline = run(*generate, "--offline", env=hub.environment())
    assert offline.returncode == 3
    assert offline.stderr.decode() == (
        f"Error: Q4_K_M of {REPOSITORY} is not downloaded, and distil is in offline mode. Use"
        " --quant Q8_0, which is downloaded, or run `distil download --quant Q4_K_M --revision"
        " main` when you are online.\n"
    )
    said = (
        "Q4_K_M is the default, and is downloaded now. To use Q8_0 or Q2_K, which is downloaded"
        " already, set --quant or DISTIL_QUANT.\n"
    )
    missing = run(*generate, env=hub.environment())
    assert missing.returncode == 3
    assert missing.stderr.decode().startswith(said)
    assert missing.stderr.decode().endswith(" use --quant Q8_0, which is downloaded.\n")
    hub.add(REPOSITORY, dict.fromkeys(names.values(), content))
    named = ((*generate, "-q", "Q4_K_M"), generate)
    for arguments, notice in zip(named, (False, True), strict=True):
        result = run(*arguments, env=hub.environment())
        assert result.returncode == 0
        assert (said in result.stderr.decode()) == notice
        assert run("remove", *main, "--yes", env=hub.environment()).returncode == 0
    assert said not in run(*generate, env=hub.environment(DISTIL_QUANT="q8_0")).stderr.decode()
