"""Rows computed by Ray: the bytes of one process, whoever computes them and whatever is killed."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.object_store import ObjectStore
from tests.support.processes import wait_until
from tests.support.quick_model import env as env
from tests.support.ray_cluster import RayCluster, complete_parts, kill, processes, ray_cluster
from tests.support.run import run, started

LINES = "".join(
    f"{number} lines of the story{' and so on' * (number % 7)}\n" for number in range(400)
)
GENERATE = ("generate", "--max-tokens", "24", "--ignore-eos", "--seed", "5")
PARTS = ("--part-rows", "1")  # as small as parts can be


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of lines, of which one is empty and one is not a text."""
    path = tmp_path / "in.txt"
    path.write_bytes(LINES.encode() + b"\n\xff\nThe end.\n")
    return path


def parts(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("part-*")))


def of_lines(env: Mapping[str, str], source: Path, arguments: Sequence[str]) -> bytes:
    """Return what one process prints."""
    alone = ("--lines", "--workers", "1", "--file", str(source))
    return run(*arguments, *alone, env=env).stdout


def check(result: "subprocess.CompletedProcess[bytes]", folder: Path) -> None:
    """Check how a run ends of which one row is refused."""
    assert (result.returncode, result.stdout.decode()) == (1, f"{folder}\n"), result.stderr
    said = result.stderr.decode().splitlines()
    assert said[0] == "1 empty line was skipped."
    assert said[1].startswith("402 rows, 1 failure, ")
    assert said[2].startswith("Error: 1 of 402 rows have no result. ")
    assert len(said) == 3


def test_nodes(env: dict[str, str], source: Path, tmp_path: Path) -> None:
    """One node, two, and three of which one is killed, with an actor of another."""
    arguments = (
        (*GENERATE, "--parallel", "4"),
        ("score", "--parallel", "3"),
        GENERATE,
    )
    with ray_cluster(env, 1) as cluster:
        for number, command in enumerate(arguments):
            folder = tmp_path / str(number)
            rest = ("--cluster", cluster.address, "-o", str(folder), *PARTS)
            with started("map", *command, str(source), *rest, env=env) as process:
                if number == 2:
                    kill_some(cluster, tmp_path / "home", folder)
                output, errors = process.communicate()
            status = process.returncode
            check(subprocess.CompletedProcess(command, status, output, errors), folder)
            assert parts(folder) == of_lines(env, source, command)
            cluster.add()


def kill_some(cluster: RayCluster, home: Path, folder: Path) -> None:
    """Kill an actor and a node once there are results."""
    wait_until(lambda: complete_parts(folder) > 0)
    kill(processes(home)[0])
    cluster.kill()


@pytest.fixture
def hidden(tmp_path: Path) -> tuple[Path, Sequence[str]]:
    """A folder, and what starts a program that sees another one in its place."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    rights = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    script = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
    launcher = ("unshare", *rights, "--mount", "sh", "-c", script, str(folder))
    if subprocess.run([*launcher, "true"], capture_output=True).returncode:
        pytest.skip("no right to mount a folder")
    return folder, launcher


def test_other_machines(
    env: dict[str, str],
    source: Path,
    tiny: Path,
    hidden: tuple[Path, Sequence[str]],
    tmp_path: Path,
) -> None:
    """They receive the model, once, and are asked whether they see the folder of the results."""
    mine, launcher = hidden
    model = mine / "model.gguf"
    model.write_bytes(tiny.read_bytes())
    command = ("map", *GENERATE, str(source), "--model", str(model), *PARTS)
    received = tmp_path / "home" / ".cache" / "distil" / "models"
    with ray_cluster(env, 1, launcher) as cluster:
        there = ("--cluster", cluster.address)
        folder = tmp_path / "shared"
        check(run(*command, *there, "-o", str(folder), env=env, fresh=True), folder)
        assert parts(folder) == of_lines(env, source, GENERATE)
        (copy,) = received.rglob("model.gguf")
        assert copy.read_bytes() == tiny.read_bytes()
        times = copy.stat().st_mtime_ns
        own = run(*command, *there, "-o", str(mine / "own"), env=env, fresh=True)
        assert own.returncode == ExitStatus.FAILED
        assert own.stderr.decode() == (
            f"Error: A machine of the cluster does not see the folder {mine / 'own'}."
            " Use one that all of them share, or an address such as s3://bucket/folder.\n"
        )
        assert copy.stat().st_mtime_ns == times


def test_the_settings_of_an_object_store_travel(env: dict[str, str], s3: ObjectStore) -> None:
    """The machines of a cluster have other environments than the person who starts a run."""
    s3.put("in.txt", LINES.encode() + b"\xff\n")
    mine = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    arguments = ("map", "score", "s3://bucket/in.txt", "-o", "s3://bucket/out", "--part-rows", "9")
    with ray_cluster(env, 1) as cluster:
        here = {**env, **mine, "AWS_ENDPOINT_URL": s3.endpoint}
        result = run(*arguments, "--cluster", cluster.address, env=here, fresh=True)
    assert (result.returncode, result.stdout) == (1, b"s3://bucket/out\n"), result.stderr
    address = s3.address("out")
    again = run(*arguments[:3], "-o", address, "--resume", *arguments[5:], env=here, fresh=True)
    assert f" See {s3.address('out/_errors')} for" in again.stderr.decode()


def test_this_machine(env: dict[str, str], source: Path, tmp_path: Path) -> None:
    """A killed run leaves nothing behind, and another one goes on."""
    folder, home = tmp_path / "out", tmp_path / "home"
    command = ("map", *GENERATE, str(source), "-o", str(folder), "--workers", "2", *PARTS)
    with started(*command, env=env) as process:
        wait_until(lambda: complete_parts(folder) > 0)
        kill(processes(home)[0])
        before = complete_parts(folder)
        wait_until(lambda: complete_parts(folder) > before)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    wait_until(lambda: not processes(home))
    done = run(*command, "--resume", env=env, fresh=True)
    assert done.returncode == ExitStatus.FAILED
    assert b" by an earlier run), 1 failure" in done.stderr
    assert parts(folder) == of_lines(env, source, GENERATE)
    assert not (folder / "_tmp").exists()


def test_no_cluster(env: dict[str, str], source: Path, tmp_path: Path) -> None:
    """At an address where nothing answers, and at one that is none."""
    folder = str(tmp_path / "out")
    for address, reason in (
        ("127.0.0.1:1", "Connection refused"),
        ("ray://head:10001", "It must be HOST:PORT, or auto"),
    ):
        result = run("map", "score", str(source), "-o", folder, "--cluster", address, env=env)
        assert result.returncode == ExitStatus.FAILED
        assert result.stderr.decode() == (
            f"Error: No Ray cluster answers at {address}: {reason}. Start one with"
            " `ray start --head`, or run on this machine alone.\n"
        )
        folder += "-2"
