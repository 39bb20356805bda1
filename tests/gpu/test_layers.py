"""All, some and no layers on a device: the same text, and a report of where they are."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.engine import Device
from tests.support.run import run

GREEDY = ("--temperature", "0", "--max-tokens", "24", "--threads", "1")


@pytest.fixture
def env(env: dict[str, str]) -> dict[str, str]:
    """The environment of a run, with what chooses among the machine's devices."""
    chosen = {name: value for name, value in os.environ.items() if name.endswith("VISIBLE_DEVICES")}
    return {**env, **chosen}


def generate(env: dict[str, str], model: Path, *options: str) -> dict[str, Any]:
    result = run("generate", "-m", str(model), "--json", *GREEDY, *options, "The cat", env=env)
    assert result.returncode == 0, result.stderr.decode()
    record: dict[str, Any] = json.loads(result.stdout)
    return record


def test_all_some_and_no_layers_give_the_same_greedy_text(
    env: dict[str, str], tiny: Path, device: Device
) -> None:
    places = {
        "none": {"CPU": 3},
        "1": {"CPU": 2, device.name: 1},
        "2": {"CPU": 1, device.name: 2},
        "all": {device.name: 3},
        "auto": {device.name: 3},
        "99": {device.name: 3},
    }
    texts = set()
    for layers, expected in places.items():
        record = generate(env, tiny, "--gpu-layers", layers)
        texts.add(record["text"])
        assert record["placement"]["layers"] == expected
        assert set(record["placement"]["device_bytes"]) == set(expected) - {"CPU"}
        assert all(size > 1e6 for size in record["placement"]["device_bytes"].values())
        assert record["placement"]["refusal"] is None
    assert len(texts) == 1


def test_the_same_run_twice(env: dict[str, str], tiny: Path) -> None:
    options = ("--temperature", "1", "--seed", "3", "--gpu-layers", "all")
    assert generate(env, tiny, *options)["text"] == generate(env, tiny, *options)["text"]


def test_a_named_device(env: dict[str, str], tiny: Path, device: Device) -> None:
    record = generate(env, tiny, "--device", device.name.lower())
    assert record["placement"]["layers"] == {device.name: 3}
    result = run("generate", "-m", str(tiny), "--device", "Nowhere9", "Hi", env=env)
    assert (result.returncode, result.stdout) == (1, b"")
    assert f"sees {device.name} ({device.description})" in result.stderr.decode()


def test_the_environment_and_stats(env: dict[str, str], tiny: Path, device: Device) -> None:
    env = {**env, "DISTIL_GPU_LAYERS": "2"}
    result = run("generate", "-m", str(tiny), "--stats", *GREEDY, "Hi", env=env)
    assert f"2 of 3 layers on {device.name}, " in result.stderr.decode()


@pytest.mark.parametrize(
    "command",
    [("next",), ("score",), ("features", "--pool", "mean"), ("perplexity", "--window", "64")],
)
def test_what_looks_inside(
    env: dict[str, str], tiny: Path, device: Device, tmp_path: Path, command: Sequence[str]
) -> None:
    """The figures on the device are close to those on the CPU."""
    text = tmp_path / "text"
    text.write_text("The cat sat on the mat, and the dog lay on the floor beside it. " * 8)
    subject = str(text) if command[0] == "perplexity" else "The cat sat on the mat."

    def figures(layers: str) -> list[float]:
        arguments = (*command, "-m", str(tiny), "--json", "--gpu-layers", layers, subject)
        result = run(*arguments, env=env)
        assert result.returncode == 0, result.stderr.decode()
        record = json.loads(result.stdout)
        expected = {device.name: 3} if layers == "all" else {"CPU": 3}
        assert record["placement"]["layers"] == expected
        if "top" in record:
            return [candidate["logprob"] for candidate in record["top"]]
        return record.get("features") or [record["mean_logprob"]]

    assert figures("all") == pytest.approx(figures("none"), rel=2e-3, abs=2e-3)


def test_bench(env: dict[str, str], tiny: Path, device: Device) -> None:
    options = ("--tokens", "4", "--repetitions", "1", "--threads", "1", "--json")
    result = run("bench", "-m", str(tiny), *options, env=env)
    assert json.loads(result.stdout)["placement"]["layers"] == {device.name: 3}


def test_a_build_that_sees_no_device(env: dict[str, str], tiny: Path, device: Device) -> None:
    env = {**env, **{name: "" for name in env if name.endswith("VISIBLE_DEVICES")}}
    result = run("generate", "-m", str(tiny), *GREEDY, "--gpu-layers", "all", "Hi", env=env)
    if device.backend == "Vulkan":
        assert result.returncode == 1
        assert "is built for CPU and Vulkan here, and sees no GPU" in result.stderr.decode()
        assert "vulkaninfo --summary" in result.stderr.decode()


def test_doctor_names_the_device(env: dict[str, str], device: Device) -> None:
    result = run("doctor", "--json", env={**env, "DISTIL_MODEL": "demo"})
    findings = {each["check"]: each for each in map(json.loads, result.stdout.splitlines())}
    assert result.returncode == 0, result.stderr.decode()
    assert device.backend in findings["build"]["facts"]["backends"]
    assert findings["devices"]["facts"]["devices"][0]["name"] == device.name
    assert findings["generation"]["facts"]["layers"] == {device.name: 7}
