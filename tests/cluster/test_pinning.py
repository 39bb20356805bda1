"""Cores of actors: none has those of another one, and those of a process that ended are free."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from distilgpt2_cli.cluster.pinning import stay_on_free_cores
from distilgpt2_cli.engine.llama.cores import core_groups

TAKE = """
import os, sys
from distilgpt2_cli.cluster.pinning import stay_on_free_cores
taken = stay_on_free_cores(1)
print(sorted(os.sched_getaffinity(0)), flush=True)
sys.stdin.read()
"""


def process(env: dict[str, str], folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", TAKE],
        env={**env, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_cores(env: dict[str, str], tmp_path: Path) -> None:
    groups = core_groups(1)
    if not groups:
        pytest.skip("this system has no affinity")
    everything = sorted(os.sched_getaffinity(0))
    processes = [process(env, tmp_path) for _ in range(len(groups) + 1)]
    try:
        lines = [each.stdout.readline().strip() for each in processes if each.stdout]
        wanted = [*(str(sorted(group)) for group in groups), str(everything)]
        assert sorted(lines) == sorted(wanted)
        first = lines.index(str(sorted(groups[0])))
        processes[first].kill()
        processes[first].wait()
        processes.append(process(env, tmp_path))
        assert processes[-1].stdout
        assert processes[-1].stdout.readline().strip() == str(sorted(groups[0]))
    finally:
        for each in processes:
            each.kill()
            each.communicate()


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    before = os.sched_getaffinity(0)
    assert stay_on_free_cores(1) is None
    assert os.sched_getaffinity(0) == before
