"""The bundled model: there at once, without a network, and the same text every time."""

import json
from pathlib import Path

import pytest

from distilgpt2_cli.engine import GenerationOptions, Model, open_generator
from distilgpt2_cli.engine.llama.bindings import features
from distilgpt2_cli.models import demo
from tests.support import gguf_tensors
from tests.support.hub import Hub
from tests.support.run import run

GOLDEN = json.loads(Path(__file__).with_name("golden_demo.json").read_text(encoding="utf-8"))
BUILDS: dict[str, dict[str, str]] = GOLDEN["builds"]
"""Texts by seed, by the CPU features of the build that made them."""
SEEDS = (1, 2, 42)


def complete(seed: int, threads: int = 1, temperature: float = 1.0) -> str:
    options = GenerationOptions(max_tokens=GOLDEN["max_tokens"], temperature=temperature)
    with open_generator(demo().path, options, threads=threads) as generator:
        return "".join(token.text for token in generator.complete(GOLDEN["prompt"], seed))


def test_it_writes_without_a_network_and_without_a_cache(env: dict[str, str]) -> None:
    arguments = ("generate", "--model", "demo", "Once upon a time", "--seed", "42")
    first = run(*arguments, env=env)
    assert (first.returncode, first.stderr) == (0, b"")
    assert len(first.stdout.split()) > 10
    assert run(*arguments, "--threads", "2", env=env).stdout == first.stdout


def test_json_and_stats_name_it(env: dict[str, str]) -> None:
    arguments = ("generate", "--model", "demo", "--json", "--stats", "--max-tokens", "1", "Hi")
    result = run(*arguments, env=env)
    assert json.loads(result.stdout)["model"]["name"] == "demo"
    assert b" demo " in result.stderr


def test_a_file_called_demo_is_reached_by_its_path(
    env: dict[str, str], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").symlink_to(tiny)
    monkeypatch.chdir(tmp_path)
    result = run("generate", "--json", "--max-tokens", "1", "-m", "./demo", "Hi", env=env)
    assert json.loads(result.stdout)["model"]["path"] == "demo"
    assert json.loads(result.stdout)["model"]["sha256"] != demo().sha256


@pytest.mark.parametrize("how", ["offline", "unreachable"])
def test_it_is_offered_and_never_chosen_silently(hub: Hub, how: str) -> None:
    changes = {"HF_HUB_OFFLINE": "1"} if how == "offline" else {"HF_ENDPOINT": "http://127.0.0.1:9"}
    result = run("generate", "Hello", env=hub.environment(**changes))
    assert (result.returncode, result.stdout) == (3, b"")
    assert b"--model demo" in result.stderr
    assert (b"`distil download --quant Q4_K_M`" in result.stderr) == (how == "offline")


@pytest.mark.parametrize("seed", SEEDS)
def test_golden_completions(seed: int) -> None:
    texts = BUILDS.get(features())
    if texts is None:
        pytest.skip(f"no texts are known for a build with {features()}")
    assert complete(seed) == texts[str(seed)]


def test_greedy_text_is_stable() -> None:
    assert len({complete(seed, threads, 0) for seed, threads in ((0, 1), (1, 2), (0, 3))}) == 1


def test_the_file_is_small_and_says_what_it_is() -> None:
    assert demo().size <= 8_000_000
    values, _ = gguf_tensors.read(demo().path)
    assert values["general.architecture"] == "gpt2"
    assert values["general.license"] == "apache-2.0"
    for key in ("name", "author", "description", "dataset.count"):
        assert values[f"general.{key}"]
    assert values["gpt2.context_length"] >= 512
    with Model(demo().path) as model:
        assert model.vocabulary_size == 50257
