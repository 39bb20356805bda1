"""How a run with Ray ends when it is interrupted, or when Ray has gone."""

import signal
import socket
import time
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.extent import ALL_CASES, cases
from tests.support.processes import wait_until
from tests.support.quick_model import env as env
from tests.support.ray_cluster import complete_parts, folder_of_ray, kill, processes, ray_cluster
from tests.support.run import run, started

COMMAND = ("map", "generate", "--max-tokens", "30", "--ignore-eos", "--part-rows", "1")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of so many lines that nobody waits for their end."""
    path = tmp_path / "in.txt"
    path.write_text("".join(f"{number} lines of the story\n" for number in range(20_000)))
    return path


# The stages of a start: a process for Ray, Ray's own processes, and results.
STAGES = ("driver", "raylet", "part")


@pytest.mark.parametrize(
    ("stage", "number"),
    cases(
        [("raylet", signal.SIGTERM), ("part", signal.SIGINT)],  # others kill runs with results
        [(stage, signal.SIGKILL) for stage in STAGES]
        + [(stage, signal.SIGINT) for stage in STAGES[:2]],
    ),
)
def test_nothing_is_left(
    env: dict[str, str], source: Path, tmp_path: Path, stage: str, number: signal.Signals
) -> None:
    """Not a process of Ray nor a file, also where the run itself has no time to clean up."""
    folder, home = tmp_path / "out", tmp_path / "home"
    reached = {
        "driver": lambda: len(processes(home, "")) > 1,
        "raylet": lambda: bool(processes(home, "", "raylet")),
        "part": lambda: complete_parts(folder) > 0,
    }[stage]
    with started(*COMMAND, str(source), "-o", str(folder), "--workers", "2", env=env) as process:
        wait_until(reached)
        files = folder_of_ray(home)
        process.send_signal(number)
        output, errors = process.communicate()
    killed = number == signal.SIGKILL
    assert process.returncode == (-number if killed else 128 + number)
    assert output == b""
    said = f"The results so far are in {folder}: go on with --resume.\n"
    assert errors.decode() == ("" if killed else said)
    wait_until(lambda: not processes(home, ""))
    assert (files is None) == (stage == "driver")
    assert files is None or not files.exists()


@pytest.fixture
def impatient(env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment in which a run waits for a cluster for seconds only."""
    (tmp_path / "sitecustomize.py").write_text(
        "from distilgpt2_cli.cluster import passes\npasses._PATIENCE = 1.0\n"
    )
    reconnect = "RAY_gcs_rpc_server_reconnect_timeout_s"
    return {**env, "PYTHONPATH": str(tmp_path), reconnect: "2"}


def test_a_cluster_that_comes_and_goes(
    env: dict[str, str], impatient: dict[str, str], source: Path, tmp_path: Path
) -> None:
    """A run waits for cores that may come.

    Ray ends the process that has lost its cluster, and another one says what it was.
    """
    folder = tmp_path / "out"
    with ray_cluster(env, 0) as cluster:
        there = ("--cluster", cluster.address, "-o", str(folder))
        with started(*COMMAND, str(source), *there, env=impatient) as process:
            assert process.stderr
            waiting = b"Waiting for the Ray cluster: it has no cores yet.\n"
            assert process.stderr.readline() == waiting
            cluster.add()
            wait_until(lambda: complete_parts(folder) > 0)
            kill(*processes(tmp_path / "home", "", "gcs_server"))
            output, errors = process.communicate()
    assert (process.returncode, output) == (ExitStatus.FAILED, b"")
    assert errors.decode() == (
        f"Error: No Ray cluster answers at {cluster.address}: Connection refused. Start it"
        " again, then go on with --resume.\n"
    )


@pytest.mark.skipif(not ALL_CASES, reason="an interrupt on this machine stands for it")
def test_an_interrupt_on_a_cluster(env: dict[str, str], source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with ray_cluster(env, 1) as cluster:
        there = ("--cluster", cluster.address, "-o", str(folder))
        with started(*COMMAND, str(source), *there, env=env) as process:
            wait_until(lambda: complete_parts(folder) > 0)
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert process.returncode == ExitStatus.INTERRUPTED


@pytest.mark.skipif(not ALL_CASES, reason="it waits for most of a minute")
def test_what_is_not_ray(env: dict[str, str], source: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        there = ("-o", str(tmp_path / "out"), "--cluster", address)
        result = run(*COMMAND, str(source), *there, env=env, fresh=True)
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert result.stderr.decode() == (
        f"Error: No Ray cluster answers at {address}: What listens there is silent. Start one with"
        " `ray start --head`, or run on this machine alone.\n"
    )


@pytest.mark.skipif(not ALL_CASES, reason="it starts many processes")
def test_processes_that_end_again_and_again(
    env: dict[str, str], source: Path, tmp_path: Path
) -> None:
    folder, home = tmp_path / "out", tmp_path / "home"
    long = ("--workers", "2", "--part-rows", "2000")  # so that nobody has done one before the end
    seen: dict[int, float] = {}
    with started(*COMMAND, *long, str(source), "-o", str(folder), env=env) as process:
        while process.poll() is None:
            for each in processes(home):
                if time.monotonic() - seen.setdefault(each, time.monotonic()) > 0.6:
                    kill(each)
            time.sleep(0.1)
        output, errors = process.communicate()
    assert (process.returncode, output) == (ExitStatus.FAILED, b"")
    assert "without one, as for want of memory. Use fewer workers" in errors.decode()
