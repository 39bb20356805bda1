"""Runs in children of a fork server: as a new Python would run them, and none is left behind."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.run import FORK_SERVER, TIMEOUT, environment, run, started, terminal

STATUS = Path("/proc/self/status")
SCRIPT = """
import os, signal, sys
from pathlib import Path
from tests.support.run import environment, run
assert run("--version", env=environment(Path(sys.argv[1]))).returncode == 0
os.kill(os.getpid(), signal.SIGKILL)
"""


def state(env: dict[str, str], *, fresh: bool) -> list[str]:
    """Return how a run's process has its signals, threads and masks."""
    arguments = ("tokenize", "--model", "demo", "--json", "--file", str(STATUS))
    result = run(*arguments, env=env, fresh=fresh)
    text = "".join(json.loads(line)["text"] for line in result.stdout.splitlines())
    return re.findall(r"^(?:Sig...|ShdPnd|Umask|NoNewPrivs):.*", text, re.MULTILINE)


@pytest.mark.skipif(not STATUS.exists(), reason="the system has no /proc")
def test_a_child_is_like_a_new_process(env: dict[str, str]) -> None:
    forked = state(env, fresh=False)
    assert len(forked) > 5
    assert forked == state(env, fresh=True)


def test_results_and_errors_are_the_same(env: dict[str, str]) -> None:
    for arguments in (("score", "-m", "demo", "-"), ("verify",), ("generate", "-n", "0"), ()):
        forked, fresh = (
            run(*arguments, env=env, stdin=b"Once\n" * 9, fresh=each) for each in (False, True)
        )
        assert (forked.returncode, forked.stdout) == (fresh.returncode, fresh.stdout)
        assert forked.stderr == fresh.stderr


def test_a_terminal_shows_the_same(env: dict[str, str]) -> None:
    outputs = []
    for fresh in (False, True):
        with terminal("next", "-m", "demo", "Once upon a", env=env, fresh=fresh) as screen:
            assert screen.wait() == 0
        outputs.append(screen.output)
    assert b"\x1b[" in outputs[0]  # styles, which are for terminals only
    assert outputs[0] == outputs[1]


def test_an_interrupt_at_the_very_beginning_is_not_lost(env: dict[str, str]) -> None:
    for _ in range(20):
        with started("generate", "-m", "demo", "-", env=env) as process:
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) in (ExitStatus.INTERRUPTED, -signal.SIGINT)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_started_run_is_waited_for_and_gets_signals(env: dict[str, str], fresh: bool) -> None:
    endless = ("generate", "-m", "demo", "-s", "1", "--max-tokens", "-1", "--ignore-eos")
    with started(*endless, env=env, stdin=b"Once upon a", fresh=fresh) as process:
        assert process.stdout
        first = process.stdout.read(4)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (len(first), output[-1:], errors) == (4, b"\n", b"")
    assert (process.poll(), process.returncode) == (143, 143)
    with started(*endless, env=env, fresh=fresh) as process:
        process.kill()
        assert process.wait(TIMEOUT) == -signal.SIGKILL


@pytest.mark.parametrize(
    "change",
    [{"PYTHONPATH": "x"}, {"LANG": "C"}, {"LC_ALL": "C"}, {"OMP_WAIT_POLICY": "active"},
     {"OMP_NUM_THREADS": "1"}, {"LD_PRELOAD": ""}, {"GGML_VK_VISIBLE_DEVICES": ""}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_other_environments_need_a_start(env: dict[str, str], change: dict[str, str]) -> None:
    assert FORK_SERVER.imitates({**env, "DISTIL_MODEL": "demo", "https_proxy": ""})
    assert not FORK_SERVER.imitates({**env, **change})
    assert not FORK_SERVER.imitates(
        {name: env[name] for name in env.keys() - change.keys() - {"LANG"}}
    )


def test_what_hangs_is_killed(env: dict[str, str]) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        FORK_SERVER.run(("serve", "-m", "demo", "--port", "0"), env, b"", timeout=0.2)
    assert FORK_SERVER.run(("--version",), env, b"", TIMEOUT)[0] == 0


@pytest.mark.parametrize("variable", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["", "unbuffered"])
def test_the_server_ends_with_a_killed_process(tmp_path: Path, variable: dict[str, str]) -> None:
    # It has the standard error of that process, whose end comes when both have ended.
    root = str(Path(__file__).parents[1])
    env = environment(tmp_path, PYTHONPATH=root, **variable)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    result = subprocess.run(command, env=env, capture_output=True, timeout=TIMEOUT)
    assert (result.returncode, result.stderr) == (-9, b"")
