"""``distil doctor`` tells what is well, and what would stop ``distil generate``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.models.catalog import CATALOG, DEFAULT_QUANTIZATION, REPOSITORY, REVISION
from tests.support.hub import Fault, Hub
from tests.support.run import run
from tests.support.stock import stock

# With less generation than the two seconds that a person waits for.
HURRIED = (
    "from distilgpt2_cli.cli.doctor import checks; checks._SECONDS = 0.05; "
    "from distilgpt2_cli.__main__ import main; main()"
)
CHECKS = [
    "versions", "build", "devices", "processor", "threads", "cache", "downloads", "model", "hub",
    "generation",
]  # fmt: skip


def hurried(*options: str, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", HURRIED, "doctor", *options]
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True)


def examine(env: dict[str, str], status: int) -> dict[str, dict[str, Any]]:
    return parsed(hurried("--json", env=env), status)


def parsed(result: subprocess.CompletedProcess[bytes], status: int) -> dict[str, dict[str, Any]]:
    assert result.returncode == status, result.stderr.decode()
    records = [json.loads(line) for line in result.stdout.splitlines()]
    return {record["check"]: record for record in records}


def put_default_file(env: dict[str, str], content: bytes) -> Path:
    """Put a file where the cache has the default quantization at the catalog's commit."""
    name = next(entry.name for entry in CATALOG if entry.quantization == DEFAULT_QUANTIZATION)
    folder = Path(env["HF_HOME"]) / "hub" / f"models--{REPOSITORY.replace('/', '--')}"
    path = folder / "snapshots" / REVISION / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_all_is_well(hub: Hub) -> None:
    findings = parsed(run("doctor", "--json", env=stock(hub).environment()), 0)
    assert list(findings) == CHECKS
    assert {record["state"] for record in findings.values()} <= {"ok", "note"}
    assert findings["versions"]["facts"]["llama_cpp_python"].startswith("0.3")
    assert "CPU" in findings["build"]["facts"]["backends"]
    assert findings["processor"]["facts"]["used"]
    assert findings["threads"]["facts"]["threads"] <= findings["threads"]["facts"]["cores"]
    assert findings["model"]["text"] == "Q4_K_M is not downloaded yet (85.0 MB)"
    assert findings["hub"]["facts"]["seconds"] > 0
    assert findings["generation"]["facts"]["seconds"] >= 2
    assert findings["generation"]["facts"]["tokens"] > 10


def test_for_people(hub: Hub) -> None:
    result = hurried(env=stock(hub).environment())
    lines = result.stdout.decode().splitlines()
    assert result.returncode == 0
    assert [line.split()[1] for line in lines if line.startswith(("  ok ", "  note "))] == CHECKS
    assert max(map(len, lines)) <= 100


def test_without_a_model_and_without_the_hub(env: dict[str, str]) -> None:
    findings = examine(env, 1)
    assert [name for name, each in findings.items() if each["state"] == "problem"] == ["hub"]
    result = hurried("--quiet", env=env)
    assert result.stderr.decode().startswith(
        "Error: `distil generate` would fail on this machine: hub. "
    )


def test_without_the_hub_but_with_a_model(env: dict[str, str]) -> None:
    findings = examine({**env, "DISTIL_MODEL": "demo"}, 0)
    assert (findings["hub"]["state"], findings["model"]["state"]) == ("note", "ok")


def test_a_hub_that_fails(hub: Hub) -> None:
    hub.fail(Fault(target="list", method=None, status=503))
    findings = examine({**stock(hub).environment(), "DISTIL_MODEL": "demo"}, 0)
    assert findings["hub"]["state"] == "note"
    assert findings["hub"]["remedy"]


def test_a_damaged_file(env: dict[str, str]) -> None:
    put_default_file(env, b"GGUF")
    findings = examine(env, 1)
    assert findings["model"]["state"] == "problem"
    assert "distil download" in findings["model"]["remedy"]
    assert findings["downloads"]["facts"]["downloads"] == {"Q4_K_M": "damaged"}


def test_a_model_that_is_not_there(env: dict[str, str]) -> None:
    findings = examine({**env, "DISTIL_MODEL": "nowhere.gguf"}, 1)
    assert findings["model"]["state"] == "problem"
    assert "nowhere.gguf" in findings["model"]["text"]


def test_layers_that_can_not_be_had(env: dict[str, str]) -> None:
    if examine({**env, "DISTIL_MODEL": "demo"}, 0)["devices"]["facts"]["devices"]:
        pytest.skip("this build sees a device")
    findings = examine({**env, "DISTIL_MODEL": "demo", "DISTIL_GPU_LAYERS": "all"}, 1)
    assert findings["generation"]["state"] == "problem"
    assert "sees no GPU" in findings["generation"]["text"]


def test_a_build_for_another_processor(env: dict[str, str], tmp_path: Path) -> None:
    """An illegal instruction ends the process that tries the engine, and not the doctor."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if any(each.endswith('engine_trial') for each in sys.orig_argv):\n"
        "    os.kill(os.getpid(), signal.SIGILL)\n"
    )
    env = {**env, "DISTIL_MODEL": "demo", "PYTHONPATH": str(tmp_path)}
    findings = examine(env, 1)
    assert findings["generation"]["state"] == "problem"
    assert "instructions that the processor doesn't have" in findings["generation"]["text"]
    assert "--no-binary llama-cpp-python" in findings["generation"]["remedy"]
    assert "build" not in findings


def test_no_secrets(hub: Hub, tmp_path: Path) -> None:
    address = stock(hub).environment()["HF_ENDPOINT"].replace("//", "//ada:lovelace@")
    env = {
        **hub.environment(),
        "HF_TOKEN": "hf_secret",
        "HF_ENDPOINT": address,
        "HTTPS_PROXY": "http://ada:lovelace@127.0.0.1:1",
    }
    for options in ((), ("--json",)):
        result = hurried(*options, env=env)
        output = (result.stdout + result.stderr).decode()
        for secret in ("hf_secret", "lovelace", str(tmp_path / "home")):
            assert secret not in output
