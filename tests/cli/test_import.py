"""``distil import``, and how other commands use what was imported."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.errors import ExitStatus
from distilgpt2_cli.models import demo
from tests.support import checkpoints
from tests.support.extent import cases
from tests.support.gguf import Shape
from tests.support.gguf_tensors import read
from tests.support.hub import COMMIT, Fault, Hub
from tests.support.missing import without_package
from tests.support.run import run, started

SHAPE = Shape(tokens=301, width=256, context=32)
CARD = """---
license: mit
base_model: distilbert/distilgpt2
datasets: [owner/poems]
language: en
---
# A model
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fine-tuned model."""
    made = checkpoints.write(tmp_path / "poet", SHAPE)
    (made / "README.md").write_text(CARD)
    return made


def imported(*arguments: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    result = run("import", *map(str, arguments), env=env)
    assert result.returncode == ExitStatus.DONE, result.stderr
    return result


def text(*arguments: str, env: dict[str, str]) -> bytes:
    result = run("generate", "--max-tokens", "4", "--seed", "1", *arguments, "Once", env=env)
    assert result.returncode == ExitStatus.DONE, result.stderr
    return result.stdout


def test_a_model_by_its_name(folder: Path, env: dict[str, str], tmp_path: Path) -> None:
    result = imported(folder, env=env)
    (path,) = result.stdout.decode().splitlines()
    models = tmp_path / "home" / ".local" / "share" / "distil" / "models"
    assert path == str(models / "poet" / "poet.Q4_K_M.gguf")
    assert b"Use it with --model poet." in result.stderr
    assert text("--model", "poet", env=env) == text("--model", path, env=env)
    env["DISTIL_MODEL"] = "poet"
    assert text(env=env) == text("--model", path, env=env)
    assert {each.name for each in models.iterdir()} == {"poet"}


def test_several_quantizations(folder: Path, env: dict[str, str]) -> None:
    imported(folder, "-q", "q8_0", "-q", "F16", "--quiet", env=env)
    eight = text("--model", "poet", "-q", "q8_0", env=env)
    refused = run("generate", "--model", "poet", "x", env=env)
    assert refused.returncode == ExitStatus.MODEL_UNAVAILABLE
    assert refused.stderr == (
        b"Error: poet was imported as F16 and Q8_0. Choose one, such as --quant F16.\n"
    )
    env["DISTIL_QUANT"] = "Q8_0"
    assert text("--model", "poet", env=env) == eight
    other = run("generate", "--model", "poet", "-q", "Q2_K", "x", env=env)
    assert other.returncode == ExitStatus.MODEL_UNAVAILABLE
    sample = folder / "sample.txt"
    sample.write_text("Once upon a time. " * 20)
    scores = run(
        *("perplexity", "--model", "poet", "-q", "Q8_0", "-q", "F16", "--json", str(sample)),
        env=env,
    )
    found = [json.loads(line)["model"]["name"] for line in scores.stdout.splitlines()]
    assert found == ["poet.Q8_0.gguf", "poet.F16.gguf"]


def test_the_same_bytes_every_time(folder: Path, env: dict[str, str]) -> None:
    first = Path(imported(folder, "--quiet", env=env).stdout.decode().strip())
    content = first.read_bytes()
    imported(folder, "--quiet", "--force", env=env)
    assert first.read_bytes() == content


def test_what_the_file_says_of_itself(folder: Path, env: dict[str, str]) -> None:
    imported(folder, "--quiet", env=env)
    record = json.loads(run("info", "--model", "poet", "--json", env=env).stdout)
    metadata = record["metadata"]
    assert record["license"] == "mit"
    assert metadata["general.base_model.0.repo_url"].endswith("/distilbert/distilgpt2")
    assert metadata["general.dataset.0.name"] == "owner/poems"
    assert metadata["distil.source"] == "poet"
    assert metadata["distil.version"]
    assert str(folder.parent) not in json.dumps(metadata)


def test_a_name_is_taken_once(folder: Path, env: dict[str, str]) -> None:
    imported(folder, "--quiet", "-q", "Q8_0", env=env)
    again = run("import", str(folder), env=env)
    assert again.returncode == ExitStatus.FAILED
    assert b"--force" in again.stderr
    imported(folder, "--name", "bard", "--quiet", env=env)
    imported(folder, "--force", "--quiet", "-q", "Q4_0", env=env)
    listed = run("models", "--json", env=env).stdout.splitlines()
    own = [record for record in map(json.loads, listed) if record["imported"]]
    assert [(each["imported"], each["quantization"]) for each in own] == [
        ("bard", "Q4_K_M"),
        ("poet", "Q4_0"),
    ]
    assert b"--model bard" in run("models", env=env).stdout


@pytest.mark.parametrize("name", ["demo", "Q4_K_M", "../up", "", ".hidden", "x.gguf", "a b"])
def test_names_that_are_refused(folder: Path, env: dict[str, str], name: str) -> None:
    refused = run("import", str(folder), "--name", name, env=env)
    assert refused.returncode == ExitStatus.USAGE
    assert b"--name" in refused.stderr


def test_removing(folder: Path, env: dict[str, str], tmp_path: Path) -> None:
    imported(folder, "-q", "Q8_0", "-q", "Q4_0", "--quiet", env=env)
    assert run("remove", "--model", "poet", "Q8_0", "--yes", env=env).returncode == 0
    assert b"Q8_0.gguf" not in run("models", "--json", env=env).stdout.split(b"demo.gguf")[-1]
    assert run("remove", "--model", "poet", "--yes", env=env).returncode == 0
    assert not (tmp_path / "home" / ".local/share/distil/models/poet").exists()
    again = run("remove", "--model", "poet", "--yes", env=env)
    assert again.returncode == ExitStatus.MODEL_UNAVAILABLE


def test_a_folder_or_a_file_of_the_same_name(
    folder: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    refused = run("generate", "--model", "poet", "x", env=env)
    assert refused.returncode == ExitStatus.MODEL_UNAVAILABLE
    assert b"Import it with `distil import poet`." in refused.stderr
    path = Path(imported("poet", "--quiet", env=env).stdout.decode().strip())
    assert text("--model", "poet", env=env)
    env["HOME"] = str(folder.parent / "nobody")
    os.link(path, folder.parent / "bard")
    assert text("--model", "bard", env=env)


def test_bad_usage(folder: Path, env: dict[str, str], tmp_path: Path) -> None:
    adapter = checkpoints.write_adapter(tmp_path / "adapter")
    for arguments, status in (
        (("nowhere",), ExitStatus.MODEL_UNAVAILABLE),
        (("a/b/c",), ExitStatus.MODEL_UNAVAILABLE),
        (("owner/name", "--offline"), ExitStatus.MODEL_UNAVAILABLE),
        ((str(folder), "--quant", "Q9"), ExitStatus.USAGE),
        ((str(folder), "--revision", "main"), ExitStatus.USAGE),
        ((str(adapter), "--quant", "Q8_0"), ExitStatus.USAGE),
        (("",), ExitStatus.USAGE),
    ):
        result = run("import", *arguments, env=env)
        assert (result.returncode, result.stderr.count(b"\n")) == (status, 1), result.stderr


def test_not_a_number(folder: Path, env: dict[str, str], tmp_path: Path) -> None:
    values = checkpoints.tensors(SHAPE)
    values["transformer.ln_f.bias"][:] = float("nan")
    checkpoints.save_tensors(folder / "model.safetensors", values)
    result = run("import", str(folder), env=env)
    assert result.returncode == ExitStatus.MODEL_DAMAGED
    assert not (tmp_path / "home/.local/share/distil/models/poet").exists()


def test_an_adapter(env: dict[str, str], tmp_path: Path) -> None:
    adapter = checkpoints.write_adapter(tmp_path / "rhymes")
    result = imported(adapter, env=env)
    assert b"Use it with --lora rhymes." in result.stderr
    assert result.stdout.strip().endswith(b"rhymes/rhymes.lora.gguf")
    assert b"--lora rhymes" in run("models", env=env).stdout
    refused = run("generate", "--model", "rhymes", "x", env=env)
    assert refused.returncode == ExitStatus.MODEL_UNAVAILABLE
    assert b"Use it with --lora rhymes." in refused.stderr
    assert run("remove", "--model", "rhymes", "--yes", env=env).returncode == ExitStatus.DONE


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("shards", cases([3], [1]))
def test_from_the_hub(hub: Hub, tmp_path: Path, shards: int) -> None:
    folder = checkpoints.write(tmp_path / "poet", SHAPE, shards=shards)
    hub.add("owner/poet", files_of(folder) | {"pytorch_model.bin": b"never", "big.onnx": b"no"})
    env = hub.environment()
    imported("owner/poet", "--quiet", env=env)
    asked = {request.path.rpartition("/")[2] for request in hub.requests}
    assert "pytorch_model.bin" not in asked
    assert "big.onnx" not in asked
    metadata = json.loads(run("info", "--model", "poet", "--json", env=env).stdout)["metadata"]
    assert metadata["general.source.url"].endswith(f"owner/poet/tree/{COMMIT}")
    assert metadata["distil.source.commit"] == COMMIT
    # The same from the cache, with the Hub not asked.
    count = len(hub.requests)
    imported("owner/poet", "--offline", "--name", "again", "--quiet", env=env)
    assert len(hub.requests) == count
    local = imported(folder, "--name", "local", "--quiet", env=env)
    assert text("--model", "again", env=env) == text("--model", "local", env=env), local.stderr


def test_a_damaged_answer_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path / "poet", SHAPE)
    hub.add("owner/poet", files_of(folder))
    hub.fail(Fault(flip_at=1, times=1))
    result = run("import", "owner/poet", env=hub.environment())
    assert result.returncode == ExitStatus.MODEL_DAMAGED
    assert b"does not have the hash" in result.stderr
    imported("owner/poet", env=hub.environment())


def test_a_repository_without_safetensors(hub: Hub) -> None:
    hub.add("owner/old", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    result = run("import", "owner/old", env=hub.environment())
    assert result.returncode == ExitStatus.MODEL_DAMAGED
    assert b"a pickle, which can run any code" in result.stderr
    assert not [each for each in hub.requests if "pytorch_model" in each.path]


def test_the_demo_model_again(env: dict[str, str], tmp_path: Path) -> None:
    """Its weights, exported, imported and quantized as its recipe says, are its own to the bit."""
    _, tensors = read(demo().path)
    shape = Shape(layers=6, width=160, heads=5, context=512)
    folder = checkpoints.write(tmp_path / "stories", shape)
    values = {name: tensor.values.astype(np.float32) for name, tensor in tensors.items()}
    checkpoints.save_tensors(folder / "model.safetensors", checkpoints.renamed(values))
    imported(folder, "--quant", "F32", "--quiet", env=env)
    arguments = ("quantize", "stories", "-q", "Q4_0", "--pure", "--to", str(tmp_path))
    assert run(*arguments, env=env).returncode == ExitStatus.DONE
    _, again = read(tmp_path / "stories.Q4_0.gguf")
    assert {name: tensor.type for name, tensor in again.items()} == {
        name: tensor.type for name, tensor in tensors.items()
    }
    assert all(np.array_equal(again[name].data, tensors[name].data) for name in tensors)


def test_quantized_from_the_imported_floats(folder: Path, env: dict[str, str]) -> None:
    """The result is one more quantization of the model."""
    imported(folder, "-q", "F32", "-q", "Q8_0", "--quiet", env=env)
    assert run("quantize", "poet", "-q", "q4_k_m", env=env).returncode == ExitStatus.DONE
    quantized = text("--model", "poet", env=env)
    imported(folder, "--name", "bard", "-q", "Q4_K_M", "--quiet", env=env)
    assert quantized == text("--model", "bard", env=env)
    listed = run("models", env=env).stdout
    assert listed.count(b"--model poet") == 3


def test_without_the_extra(folder: Path, env: dict[str, str], tmp_path: Path) -> None:
    result = run("import", str(folder), env=without_package(env, tmp_path, "safetensors"))
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert b"distil import needs safetensors" in result.stderr
    assert b"-m pip install" in result.stderr


def test_interrupted(tmp_path: Path, env: dict[str, str]) -> None:
    """Ctrl-C ends it at once, and leaves nothing."""
    big = Shape(layers=4, width=512, heads=8, context=64, tokens=5001)
    folder = checkpoints.write(tmp_path / "poet", big)
    labels = ("Q2_K", "Q3_K_S", "Q4_K_M", "Q5_K_M", "Q6_K")
    arguments = [each for label in labels for each in ("-q", label)]
    with started("import", str(folder), *arguments, env=env) as process:
        assert process.stderr is not None
        while b"Quantizing" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == ExitStatus.INTERRUPTED
    models = tmp_path / "home/.local/share/distil/models"
    assert [path for path in models.rglob("*") if path.is_file()] == []
