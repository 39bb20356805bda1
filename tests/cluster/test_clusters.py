"""Rows computed by Ray: the bytes of one process, whoever computes them and whatever is killed."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.object_store import ObjectStore
from tests.support.processes import wait_until
from tests.support.quick_model import env as env
from tests.support.ray_cluster import (
    RayCluster,
    complete_parts,
    folder_of_ray,
    kill,
    processes,
    ray_cluster,
)
from tests.support.run import environment, run, started

LINES = "".join(
    f"{number} lines of the story{' and so on' * (number % 7)}\n" for number in range(400)
)
GENERATE = ("generate", "--max-tokens", "16", "--ignore-eos", "--seed", "5")
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


def check(
    result: "subprocess.CompletedProcess[bytes]", folder: object, empty: int = 1, rows: int = 402
) -> None:
    """Check how a run ends of which one row is refused."""
    assert (result.returncode, result.stdout.decode()) == (1, f"{folder}\n"), result.stderr
    said = [
        line
        for line in result.stderr.decode().splitlines()
        if not line.startswith("Waiting for the Ray cluster")  # on a busy machine
    ]
    assert said[:-2] == ["1 empty line was skipped."] * empty
    assert said[-2].startswith(f"{rows} rows, 1 failure, ")
    assert said[-1].startswith(f"Error: 1 of {rows} rows have no result. ")


@dataclass(frozen=True)
class Machines:
    """Those of a cluster, which starts with one that computes.

    Attributes:
        home: where the model is that they receive.
        hidden: a folder that they do not see, if there may be one.
    """

    cluster: RayCluster
    home: Path
    hidden: Path | None


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """One cluster for all tests here, as it takes long to start."""
    folder = tmp_path_factory.mktemp("machines")
    hidden, home = folder / "hidden", folder / "home"
    hidden.mkdir()
    rights = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    script = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
    launcher = ("unshare", *rights, "--mount", "sh", "-c", script, str(hidden))
    may_hide = not subprocess.run([*launcher, "true"], capture_output=True).returncode
    with ray_cluster(environment(home), 1, launcher if may_hide else ()) as cluster:
        yield Machines(cluster, home, hidden if may_hide else None)


def test_other_machines(
    env: dict[str, str], tiny: Path, machines: Machines, s3: ObjectStore, tmp_path: Path
) -> None:
    """They receive the model, once, and the settings of an object store.

    They are asked whether they see the folder of the results.
    """
    mine = machines.hidden or tmp_path
    model = mine / "model.gguf"
    model.write_bytes(tiny.read_bytes())
    s3.put("in.txt", LINES.encode() + b"\xff\n")
    settings = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    here = {**env, **settings, "AWS_ENDPOINT_URL": s3.endpoint}
    command = ("map", "score", "s3://bucket/in.txt", "--model", str(model), *PARTS)
    there = ("--cluster", machines.cluster.address)
    result = run(*command, *there, "-o", "s3://bucket/out", env=here)
    check(result, "s3://bucket/out", empty=0, rows=401)
    scores = b"".join(data for name, data in s3.get("out").items() if name.startswith("part-"))
    assert scores == run("score", "--lines", env=env, stdin=LINES.encode()).stdout
    again = run(*command, "-o", s3.address("out"), "--resume", "--workers", "1", env=here)
    assert f" See {s3.address('out/_errors')} for" in again.stderr.decode()
    if machines.hidden is None:
        pytest.skip("no right to mount a folder")
    (copy,) = (machines.home / ".cache" / "distil" / "models").rglob("model.gguf")
    assert copy.read_bytes() == tiny.read_bytes()
    times = copy.stat().st_mtime_ns
    own = run(*command, *there, "-o", str(mine / "own"), env=here)
    assert own.returncode == ExitStatus.FAILED
    assert own.stderr.decode() == (
        f"Error: A machine of the cluster does not see the folder {mine / 'own'}."
        " Use one that all of them share, or an address such as s3://bucket/folder.\n"
    )
    assert copy.stat().st_mtime_ns == times


def test_a_cluster_without_room(
    env: dict[str, str], source: Path, machines: Machines, tmp_path: Path
) -> None:
    """A run does not wait for cores that no machine has."""
    there = ("--cluster", machines.cluster.address, "-o", str(tmp_path / "out"))
    result = run("map", "score", str(source), *there, "--threads", "3", env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert result.stderr.decode() == (
        "Error: No machine of the Ray cluster has 3 cores: the largest has 1. Use --threads 1,"
        " or fewer.\n"
    )


def test_two_nodes(env: dict[str, str], source: Path, machines: Machines, tmp_path: Path) -> None:
    cluster = machines.cluster
    cluster.add(2 - cluster.nodes)
    command = ("score", "--parallel", "3")
    there = ("--cluster", cluster.address, "-o", str(tmp_path / "out"))
    result = run("map", *command, str(source), *there, *PARTS, env=env)
    check(result, tmp_path / "out")
    assert parts(tmp_path / "out") == of_lines(env, source, command)


def test_three_nodes(env: dict[str, str], source: Path, machines: Machines, tmp_path: Path) -> None:
    """One is killed once there are results, and an actor."""
    folder, cluster = tmp_path / "out", machines.cluster
    cluster.add(3 - cluster.nodes)
    command = (*GENERATE, "--parallel", "4")
    there = ("--cluster", cluster.address, "-o", str(folder), *PARTS)
    with started("map", *command, str(source), *there, env=env) as process:
        wait_until(lambda: complete_parts(folder) > 0)
        kill(processes(machines.home)[0])
        cluster.kill()
        output, errors = process.communicate()
    check(subprocess.CompletedProcess(command, process.returncode, output, errors), folder)
    assert parts(folder) == of_lines(env, source, command)


def test_this_machine(env: dict[str, str], source: Path, tmp_path: Path) -> None:
    """A killed run leaves nothing behind, no process nor a file, and another one goes on."""
    folder, home = tmp_path / "out", tmp_path / "home"
    command = ("map", *GENERATE, str(source), "-o", str(folder), *PARTS)
    with started(*command, "--workers", "2", env=env) as process:
        wait_until(lambda: complete_parts(folder) > 0)
        kill(processes(home)[0])
        before = complete_parts(folder)
        wait_until(lambda: complete_parts(folder) > before)
        of_ray = folder_of_ray(home)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    wait_until(lambda: not processes(home, ""))
    assert of_ray
    assert not of_ray.exists()
    done = run(*command, "--workers", "1", "--resume", env=env)
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
