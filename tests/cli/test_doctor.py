"""``distil doctor`` tells what is well, and what would stop ``distil generate``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.models.catalog import CATALOG, DEFAULT_QUANTIZATION, REPOSITORY, REVISION
from tests.support.hub import Fault, Hub
from tests.support.modes import bound_by_modes, mode
from tests.support.run import run
from tests.support.stock import stock

# With less generation than the two seconds that a person waits for.
HURRIED = (
    "from distilgpt2_cli.cli.doctor import checks; checks._SECONDS = 0.05; "
    "from distilgpt2_cli.__main__ import main; main()"
)
CHECKS = [
    "versions", "build", "devices", "processor", "threads", "limits", "cache", "downloads", "model",
    "hub", "generation",
]  # fmt: skip


def hurried(
    *options: str, env: dict[str, str], launcher: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    command = [*launcher, sys.executable, "-c", HURRIED, "doctor", *options]
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
    assert not any("AMX" in each for each in findings["processor"]["facts"]["missed"])
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


def test_without_the_hub_but_with_a_model(env: dict[str, str], tiny: Path) -> None:
    findings = examine({**env, "DISTIL_MODEL": str(tiny)}, 0)
    assert (findings["hub"]["state"], findings["model"]["state"]) == ("note", "ok")


def test_a_hub_that_fails(hub: Hub, tiny: Path) -> None:
    hub.fail(Fault(target="list", method=None, status=503))
    findings = examine({**stock(hub).environment(), "DISTIL_MODEL": str(tiny)}, 0)
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


def test_it_looks_for_what_generate_would_take(env: dict[str, str]) -> None:
    findings = examine({**env, "DISTIL_MODEL": "", "DISTIL_QUANT": "q5_0"}, 1)
    assert "Q5_0" in findings["model"]["text"]


def test_layers_that_can_not_be_had(env: dict[str, str], tiny: Path) -> None:
    layers = {"DISTIL_MODEL": str(tiny), "DISTIL_GPU_LAYERS": "all"}
    result = hurried("--json", env={**env, **layers})
    findings = parsed(result, result.returncode)
    if findings["devices"]["facts"]["devices"]:
        pytest.skip("this build sees a device")
    assert (result.returncode, findings["generation"]["state"]) == (1, "problem")
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


def test_a_build_with_code_for_amx_that_crashes(env: dict[str, str], tmp_path: Path) -> None:
    facts = {
        "versions": {"llama_cpp": "1"},
        "backends": ["CPU"],
        "devices": [],
        "features": ["AVX2", "AMX_INT8"],
        "cores": 2,
    }
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if any(each.endswith('engine_trial') for each in sys.orig_argv):\n"
        f"    print({json.dumps(facts)!r}, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    env = {**env, "DISTIL_MODEL": "demo", "PYTHONPATH": str(tmp_path)}
    generation = examine(env, 1)["generation"]
    assert generation["state"] == "problem"
    assert "(Segmentation fault). This build has code for AMX" in generation["text"]
    assert 'CXXFLAGS="-mno-amx-tile' in generation["remedy"]
    assert "--no-binary llama-cpp-python" in generation["remedy"]


def test_surroundings(env: dict[str, str], tmp_path: Path) -> None:
    env = {
        **env,
        "HF_HOME": "/dev/null",
        "HF_HUB_ETAG_TIMEOUT": "2.5",
        "HTTPS_PROXY": "socks4://ada:lovelace@host",
        "SSL_CERT_FILE": "/nowhere.pem",
        "TMPDIR": "/nowhere",
    }
    script = (
        f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone;"
        ' ulimit -n 20; ulimit -v 900000; exec "$@"'
    )
    command = ("sh", "-c", script, "sh", sys.executable, "-c", HURRIED, "doctor", "--json")
    findings = parsed(subprocess.run(command, env=env, capture_output=True), 1)
    assert findings["generation"]["state"] == "ok"
    for said in ("only 20 files", "only 921.6 MB of memory", "folder was deleted", "TMPDIR names"):
        assert said in findings["limits"]["text"]
    assert "not a folder" in findings["cache"]["text"]
    for name in ("HF_HOME", "HF_HUB_ETAG_TIMEOUT", "HTTPS_PROXY", "SSL_CERT_FILE"):
        assert f"{name} " in findings["hub"]["text"]
    assert "lovelace" not in json.dumps(findings)


def test_a_cache_that_can_t_be_used(env: dict[str, str]) -> None:
    launcher, cache = bound_by_modes(), Path(env["HF_HOME"]) / "hub"
    cache.mkdir(parents=True)
    for bits, said in ((0o000, "not readable"), (0o500, "not writable")):
        with mode(cache, bits):
            findings = parsed(hurried("--json", env=env, launcher=launcher), 1)
        assert findings["cache"]["state"] == ("note" if bits == 0 else "problem")
        assert said in findings["cache"]["text"]
    assert "generation" in findings


def test_a_proxy_that_is_not_there(env: dict[str, str]) -> None:
    proxied = {"ALL_PROXY": "http://ada:lovelace@127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    hub = examine({**env, **proxied, "HF_ENDPOINT": "http://hub.invalid"}, 1)["hub"]
    assert "through the proxy http://127.0.0.1:9 (ALL_PROXY)" in hub["text"]
    assert "Check ALL_PROXY" in hub["remedy"]
    assert "lovelace" not in json.dumps(hub)


def test_no_secrets(hub: Hub, tmp_path: Path) -> None:
    address = stock(hub).environment()["HF_ENDPOINT"].replace("//", "//ada:lovelace@")
    env = {
        **hub.environment(),
        "HF_TOKEN": "hf_secret",
        "HF_ENDPOINT": address,
        "HTTP_PROXY": "http://ada:lovelace@127.0.0.1:1",
    }
    for options in ((), ("--json",)):
        result = hurried(*options, env=env)
        output = (result.stdout + result.stderr).decode()
        for secret in ("hf_secret", "lovelace", str(tmp_path / "home")):
            assert secret not in output
