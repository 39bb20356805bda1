"""``--lora`` in every command that computes, its records, and what is wrong with a file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.cli.early import likely_adapters
from distilgpt2_cli.errors import DistilError, ExitStatus
from distilgpt2_cli.models.choice import own_adapter, own_adapters
from tests.support import adapters, gguf
from tests.support.batches import as_lines, command, request
from tests.support.emulator import emulated
from tests.support.run import run

SHAPE = gguf.Shape(tokens=5001)
TEXT = "Once upon a time"
ITEM = {"context": "Once upon a", "choices": ["time", "tree"], "gold": 0}
REQUEST = as_lines([request("a", prompt="It was", seed=1, max_tokens=8)])
RUNS: dict[str, tuple[str, ...]] = {
    "generate": ("--seed", "1", "--max-tokens", "8", "--json", TEXT),
    "next": ("--json", TEXT),
    "score": ("--json", TEXT),
    "perplexity": ("--json", "-"),
    "choose": ("--json",),
    "features": ("--json", TEXT),
    "lens": ("--json", TEXT),
    "probe": ("--json", "-n", "2", "--max-tokens", "5", "The {man|child} said"),
    "bench": ("--tokens", "4", "--repetitions", "1", "--threads", "1", "--json"),
}
STDIN = {"choose": json.dumps(ITEM).encode(), "perplexity": f"{TEXT}\n".encode() * 5}
FIGURES = (
    "text", "top", "logprob", "perplexity", "choices", "features", "lens", "completions",
)  # fmt: skip


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter for `tiny`, whose name has a colon."""
    path = tmp_path_factory.mktemp("adapters") / "a:0.5"
    return adapters.write(path, adapters.random_pairs(SHAPE, 1))


def records(name: str, *arguments: str, env: dict[str, str]) -> list[dict[str, Any]]:
    """Return what a command prints."""
    result = run(name, *arguments, *RUNS[name], env=env, stdin=STDIN.get(name, b""))
    assert result.returncode == ExitStatus.DONE, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", RUNS)
def test_a_command_uses_it_and_says_so(
    name: str, tiny: Path, lora: Path, env: dict[str, str]
) -> None:
    plain = records(name, "-m", str(tiny), env=env)
    changed = records(name, "-m", str(tiny), "--lora", f"{lora}:0.7", env=env)
    if name != "bench":
        assert any(
            then.get(key) != now.get(key)
            for then, now in zip(plain, changed, strict=True)
            for key in FIGURES
        )
    (adapter,) = changed[-1]["model"]["adapters"]
    assert (adapter["name"], adapter["path"], adapter["scale"]) == ("a:0.5", str(lora), 0.7)
    assert len(adapter["sha256"]) == 64
    assert plain[-1]["model"]["adapters"] == []


@pytest.mark.parametrize("parallel", ["1", "4"])
def test_the_bytes_do_not_depend_on_workers_and_threads(
    parallel: str, tiny: Path, lora: Path, env: dict[str, str]
) -> None:
    lines = "".join(f"Day {number}\n" for number in range(40)).encode()
    base = ("generate", "-m", str(tiny), "--lora", f"{lora}:0.7", "--lines", "--one-line")
    options = ("--seed", "1", "--max-tokens", "8", "--parallel", parallel)
    outputs = {
        run(
            *base, *options, "--workers", workers, "--threads", threads, env=env, stdin=lines
        ).stdout
        for workers, threads in (("1", "1"), ("2", "1"), ("1", "3"))
    }
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 40


def test_a_record_is_replayed_with_it(
    tiny: Path, lora: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    other = tmp_path / "b.gguf"
    other.write_bytes(lora.read_bytes())
    base = ("generate", "-m", str(tiny), "--lora", str(lora), "--lora", f"{other}:-0.5")
    record = run(*base, *RUNS["generate"], env=env).stdout
    assert run("replay", "-", env=env, stdin=record).returncode == ExitStatus.DONE
    adapters.write(other, adapters.random_pairs(SHAPE, 2))
    changed = run("replay", "--json", "-", env=env, stdin=record)
    assert changed.returncode == ExitStatus.FAILED
    assert json.loads(changed.stdout)["changed"].keys() == {f"sha256 of {other}"}
    other.unlink()
    missing = run("replay", "-", env=env, stdin=record)
    assert missing.returncode == ExitStatus.MODEL_UNAVAILABLE
    assert b"b.gguf is not on this machine" in missing.stderr
    invalid = record.replace(b'"scale": -0.5', b'"scale": "x"')
    assert b"adapters of its model" in run("replay", "-", env=env, stdin=invalid).stderr


def test_a_batch_is_resumed_with_the_same_adapters_only(
    tiny: Path, lora: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(REQUEST)
    base = (*command(tiny), "--output", str(output), str(source))
    assert run(*base, "--lora", str(lora), env=env).returncode == ExitStatus.DONE
    same = run(*base, "--resume", "--lora", str(lora), env=env)
    assert same.returncode == ExitStatus.DONE
    for other in ((), ("--lora", f"{lora}:0.9")):
        assert b"is not the result" in run(*base, "--resume", *other, env=env).stderr


def test_the_statistics_name_it(tiny: Path, lora: Path, env: dict[str, str]) -> None:
    result = run("generate", "-m", str(tiny), "--lora", f"{lora}:2", "--stats", "Hi", env=env)
    assert b"tiny.gguf + a:0.5:2 " in result.stderr


def test_the_editor_names_it(tiny: Path, lora: Path, env: dict[str, str], tmp_path: Path) -> None:
    options = ("-m", str(tiny), "--lora", f"{lora}:-1")
    with emulated("write", *options, str(tmp_path / "text"), env=env) as on:
        on.wait_for("tiny.gguf + a:0.5:-1")


def test_the_longest_name_that_exists_is_the_file(
    lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_adapter({}, str(lora)).scale == 1
    found = own_adapter({}, f"{lora}:-2e-1")
    assert (found.path, found.scale) == (lora, -0.2)
    monkeypatch.setenv("HOME", str(lora.parent))
    assert own_adapter({}, "~/a:0.5:3").scale == 3
    for text, status in (
        ("", ExitStatus.USAGE),
        (f"{lora}:x", ExitStatus.USAGE),
        (f"{lora}:", ExitStatus.USAGE),
        ("nowhere:0.5", ExitStatus.MODEL_UNAVAILABLE),
        ("nowhere", ExitStatus.MODEL_UNAVAILABLE),
        (str(tmp_path), ExitStatus.MODEL_UNAVAILABLE),
    ):
        with pytest.raises(DistilError) as error:
            own_adapter({}, text)
        assert error.value.status == status, text


def test_the_scales_of_the_same_file_add_up(lora: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(lora)
    (found,) = own_adapters({}, [f"{lora}:0.25", f"{link}:0.5"])
    assert (found.path, found.scale) == (lora, 0.75)


def test_the_model_is_loaded_early_with_it(lora: Path, env: dict[str, str], tiny: Path) -> None:
    (adapter,) = likely_adapters(["generate", "--lora", f"{lora}:2", "-m", "demo"], {}) or ()
    assert (adapter.path, adapter.scale) == (lora, 2)
    assert likely_adapters(["generate", "Hi"], {}) == ()
    assert likely_adapters(["generate", f"--lora={lora}:nan"], {}) is None
    script = (
        "import sys\n"
        "from distilgpt2_cli.engine.llama import bindings\n"
        "from distilgpt2_cli import __main__ as program\n"
        "loads = []\n"
        "real = bindings.lib.llama_model_load_from_file\n"
        "bindings.lib.llama_model_load_from_file = lambda *a: loads.append(a[0]) or real(*a)\n"
        "program._run()\n"
        "assert len(loads) == 1, loads\n"
    )
    arguments = ("generate", "-m", str(tiny), "--lora", str(lora), "--max-tokens", "3", "Hi")
    subprocess.run([sys.executable, "-c", script, *arguments], env=env, check=True)


def test_errors_have_two_sentences_and_a_status(
    tiny: Path, bundled: Path, lora: Path, env: dict[str, str]
) -> None:
    for base, name, status, reason in (
        (tiny, "nowhere", 3, b"The adapter file nowhere can't be opened: No such file"),
        (tiny, str(tiny), 4, b"is not a LoRA adapter: its general.type is 'model'."),
        (bundled, str(lora), 4, b"it does not fit the model. Use it with the model that"),
        (tiny, f"{lora}:inf", 2, b"The scale of --lora can't be inf. Use a finite number."),
    ):
        result = run("generate", "-m", str(base), "--lora", name, "Hi", env=env)
        assert (result.returncode, reason in result.stderr) == (status, True), result.stderr
