"""``distil bench`` measures what it says, and says it in three ways."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.run import run

QUICK = ("--tokens", "4", "--repetitions", "2")


def bench(env: dict[str, str], model: Path, *options: str) -> str:
    result = run("bench", "--model", str(model), "--quiet", *QUICK, *options, env=env)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return result.stdout.decode()


def test_json(env: dict[str, str], tiny: Path) -> None:
    output = bench(env, tiny, "--json", "--threads", "1", "--threads", "auto", "--parallel", "3")
    records: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    assert [(record["threads"], record["parallel"]) for record in records] == [
        ("1", 3),
        ("auto", 3),
    ]
    assert sum(record["fastest"] for record in records) == 1
    for record in records:
        for name in ("prompt", "generation", "bare_generation", "ratio", "first_byte_seconds"):
            figure = record[name]
            assert 0 < figure["low"] <= figure["median"] <= figure["high"]
        assert 20e6 < record["peak_bytes"] < 1e9
        assert record["model"]["name"] == tiny.name
        assert record["versions"]["llama_cpp"]
        assert record["machine"]["usable_cores"] >= 1


def test_the_default_threads_are_auto_one_and_all(env: dict[str, str], tiny: Path) -> None:
    output = bench(env, tiny, "--json", "--repetitions", "1")
    threads = [json.loads(line)["threads"] for line in output.splitlines()]
    assert threads[:2] == ["auto", "1"]
    assert len(threads) == (3 if len(os.sched_getaffinity(0)) > 1 else 2)


def test_table(env: dict[str, str], tiny: Path) -> None:
    lines = bench(env, tiny, "--threads", "1").splitlines()
    assert lines[0].split()[:3] == ["MODEL", "DEVICE", "THREADS"]
    assert lines[1].split()[:3] == ["tiny.gguf", "CPU", "1"]
    assert lines[3].startswith("Fastest on this machine: tiny.gguf with threads 1, parallel 1: ")


def test_markdown(env: dict[str, str], tiny: Path) -> None:
    lines = bench(env, tiny, "--markdown", "--threads", "1").splitlines()
    assert lines[0].startswith("| MODEL | DEVICE | THREADS |")
    assert lines[1].count("---") == lines[0].count("|") - 1
    assert any(line.startswith("- llama_cpp: ") for line in lines)


def test_progress_goes_to_standard_error(env: dict[str, str], tiny: Path) -> None:
    result = run("bench", "-m", str(tiny), *QUICK, "--threads", "1", "--json", env=env)
    assert result.stderr.decode() == "Measuring tiny.gguf, threads 1, parallel 1 …\n"
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--tokens", "0"),
        ("--repetitions", "0"),
        ("--parallel", "0"),
        ("--parallel", "1", "--parallel", "-3"),
        ("--threads", "0"),
        ("--json", "--markdown"),
        ("--tokens", "100000"),
        ("--parallel", "257"),
    ],
)
def test_what_can_t_be(env: dict[str, str], tiny: Path, options: tuple[str, ...]) -> None:
    result = run("bench", "-m", str(tiny), "--quiet", *options, env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.USAGE, b"")
    assert result.stderr.startswith(b"Error: ")
    assert result.stderr.count(b"\n") == 1
