"""What the pages show is what the program prints."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distilgpt2_cli.engine.llama.bindings import features

ROOT = Path(__file__).parents[1]
GOLDEN = json.loads((ROOT / "tests/cli/golden_demo.json").read_text())
PAGES = (
    "README.md",
    "docs/constrained.md",
    "docs/inspect.md",
    "docs/probe.md",
    "docs/replay.md",
    "docs/write.md",
)
# What differs from run to run or from machine to machine, or needs files that are not here.
NOT_REPEATABLE = ("…", "distil perplexity", "--output", "distil models | head")


def examples() -> Iterator[tuple[str, str]]:
    """Yield each command of the pages with the output that stands below it."""
    for page in PAGES:
        blocks = re.findall(r"```console\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
        for block in blocks:
            for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = example.partition("\n")
                if not any(mark in example for mark in NOT_REPEATABLE):
                    yield command, output


def test_there_are_examples() -> None:
    assert len(list(examples())) > 10


@pytest.mark.parametrize(("command", "output"), list(examples()))
def test_an_example(env: dict[str, str], tmp_path: Path, command: str, output: str) -> None:
    if features() != GOLDEN["features"]:
        pytest.skip("another processor may give other texts")
    if "jq" in command and not shutil.which("jq"):
        pytest.skip("no jq")
    program = tmp_path / "distil"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m distilgpt2_cli "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), env["PATH"]])
    result = subprocess.run(
        ["sh", "-c", command], env={**env, "PATH": path}, cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.rstrip("\n") == output.rstrip("\n")
