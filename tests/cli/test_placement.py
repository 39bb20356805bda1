"""``--gpu-layers`` and ``--device`` on a build that has no use for them."""

import json
from pathlib import Path

import pytest

from distilgpt2_cli.cli.early import likely_offload
from distilgpt2_cli.engine import Offload, list_devices
from distilgpt2_cli.engine.llama.placement import CPU_ONLY
from tests.support.run import run

pytestmark = pytest.mark.skipif(bool(list_devices()), reason="this build sees a device")


@pytest.mark.parametrize("command", ["generate", "next", "score", "features", "probe"])
@pytest.mark.parametrize("options", [("--gpu-layers", "all"), ("--device", "CUDA0")])
def test_a_gpu_that_is_not_there_is_an_error(
    env: dict[str, str], tiny: Path, command: str, options: tuple[str, str]
) -> None:
    result = run(command, "-m", str(tiny), *options, "Hello", env=env)
    assert (result.returncode, result.stdout) == (1, b"")
    message = result.stderr.decode()
    assert message.startswith(f"Error: {' '.join(options)} can't be obeyed: llama-cpp-python ")
    assert "is built for CPU here, and sees no GPU. " in message
    assert "Install the build" in message or "finds no GPU in this machine" in message


def test_in_the_environment(env: dict[str, str], tiny: Path) -> None:
    result = run("generate", "-m", str(tiny), "Hello", env={**env, "DISTIL_GPU_LAYERS": "all"})
    assert result.returncode == 1
    options = ("-m", str(tiny), "--gpu-layers", "auto", "--max-tokens", "2", "Hello")
    result = run("generate", *options, env={**env, "DISTIL_GPU_LAYERS": "all"})
    assert result.returncode == 0


def test_malformed(env: dict[str, str], tiny: Path) -> None:
    result = run("score", "-m", str(tiny), "--gpu-layers", "some", "Hello", env=env)
    assert result.returncode == 2
    assert result.stderr == (
        b"Error: --gpu-layers can't be some. Use auto, all, none, or a number of layers.\n"
    )


def test_json_says_where_the_layers_are(env: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("The cat sat on the mat.")
    for command, subject in (
        (("generate", "--max-tokens", "2"), "Hello"),
        (("next",), "Hello"),
        (("score",), "Hello"),
        (("features",), "Hello"),
        (("perplexity",), str(text)),
        (("probe", "-n", "2"), "{Hello|Hi}"),
    ):
        result = run(*command, "-m", str(tiny), "--json", subject, env=env)
        record = json.loads(result.stdout)
        assert record["placement"] == {"layers": {"CPU": 3}, "device_bytes": {}, "refusal": None}


def test_the_early_model_goes_where_the_command_wants_it() -> None:
    assert likely_offload(["generate", "--gpu-layers", "3", "x"], {}) == Offload(3)
    wanted = ["next", "--gpu-layers=all", "--device=A", "--device", "B"]
    assert likely_offload(wanted, {}) == Offload("all", ("A", "B"))
    assert likely_offload(["score"], {"DISTIL_GPU_LAYERS": "none"}) == CPU_ONLY
    assert likely_offload(["tokenize"], {"DISTIL_GPU_LAYERS": "all"}) == CPU_ONLY
    assert likely_offload(["generate", "--gpu-layers", "some"], {}) == Offload()
