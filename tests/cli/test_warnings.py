"""What is odd about a model's file is said once, by every command that uses it, and in JSON."""

import json
from pathlib import Path

import pytest

from tests.support.forked import Run, run_all
from tests.support.gguf_copy import copy_without

WARNING = "old.gguf doesn't name its pre-tokenizer, so distil uses that of GPT-2."


@pytest.fixture
def old(tmp_path: Path, tiny: Path) -> str:
    """A file as they were before May 2024."""
    return str(copy_without(tiny, tmp_path / "old.gguf", "tokenizer.ggml.pre"))


def test_every_command_says_it(env: dict[str, str], tmp_path: Path, old: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Once upon a time there was a little girl.")
    record = tmp_path / "record.json"
    commands = [
        ["tokenize", "--json", "Hi"],
        ["generate", "--json", "--seed", "1", "--max-tokens", "1", "Hi"],
        ["next", "--json", "Hi"],
        ["score", "--json", "Hi there"],
        ["features", "--json", "--pool", "mean", "Hi"],
        ["lens", "--json", "Hi"],
        ["perplexity", "--json", str(text)],
        ["probe", "--json", "--seed", "1", "-n", "2", "--max-tokens", "1", "{A|B}"],
    ]
    with_model = [Run([command, "--model", old, *rest]) for command, *rest in commands]
    results = run_all(with_model, env, tmp_path)
    for (command, *_), result in zip(commands, results, strict=True):
        assert result.status == 0, result.errors
        assert result.errors.count(WARNING) == 1, command
        assert [json.loads(line)["warnings"] for line in result.output.splitlines()] == [[WARNING]]
    record.write_text(results[1].output * 2)
    plain, as_json, again, quiet = run_all(
        [
            Run(["info", "--model", old]),
            Run(["info", "--json", "--model", old]),
            Run(["replay", str(record)]),
            Run(["tokenize", "--quiet", "--model", old, "Hi"]),
        ],
        env,
        tmp_path,
    )
    assert "  warning         old.gguf doesn't name its pre-tokenizer" in plain.output
    assert json.loads(as_json.output)["warnings"] == [WARNING]
    assert again.errors.splitlines() == [WARNING, "2 of 2 records are the same."]
    assert (quiet.status, quiet.errors) == (0, "")


def test_a_good_file_has_none(env: dict[str, str], tmp_path: Path) -> None:
    (result,) = run_all([Run(["tokenize", "--json", "--model", "demo", "Hi"])], env, tmp_path)
    assert json.loads(result.output)["warnings"] == []
    assert result.errors == ""
