"""Clusters of Ray on this machine: each node has processes of its own, and one core."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_STORE_BYTES = 100 * 2**20  # for the objects of a node; Ray has no less than 75 MB
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_period_ms": "500",  # and not 3 s, of which five must pass without an answer
}
ACTOR, READER = "ray::MapWorker", "ray::ReadParts"
"""What the processes are named that compute, and the one that reads."""


class RayCluster:
    """A cluster that runs in another process.

    Attributes:
        address: of its head, which computes nothing.
        nodes: how many there are besides.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.address = self._read()
        self.nodes = 0

    def add(self, count: int = 1) -> None:
        """Add nodes, and wait until they are there."""
        self._tell(f"add {count}")
        self.nodes += count

    def kill(self, place: int = -1) -> None:
        """Kill a node, as a power failure does."""
        self._tell(f"kill {place}")
        self.nodes -= 1

    def _tell(self, command: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        assert self._read() == "done"

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@contextmanager
def ray_cluster(
    env: Mapping[str, str], nodes: int, launcher: Sequence[str] = ()
) -> Iterator[RayCluster]:
    """Run a cluster of so many nodes besides the head, by itself or through a launcher."""
    command = [*launcher, sys.executable, "-m", __name__]
    process = subprocess.Popen(
        command,
        env={**env, **_SETTINGS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            cluster = RayCluster(process)
            cluster.add(nodes)
            yield cluster
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait()


def processes(home: Path, name: str = ACTOR, program: str = "") -> list[int]:
    """Return the processes of runs in this home whose name begins so, of such a program."""
    variable = f"HOME={home}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            command = (process / "cmdline").read_bytes()
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        is_such = command.startswith(name.encode()) and variable in variables
        if is_such and command.split(b"\0")[0].endswith(program.encode()):
            found.append(int(process.name))
    return found


def folder_of_ray(home: Path) -> Path | None:
    """Return where the sockets and logs of Ray on this machine are; None if it does not run."""
    for process in processes(home, "", "raylet"):
        command = Path(f"/proc/{process}/cmdline").read_text()
        found = re.search(r"/[^\0]*/\.distil-\w+", command)
        assert found
        return Path(found[0])
    return None


def complete_parts(folder: Path) -> int:
    """Return how many parts of the results in a folder a later run would not compute again."""
    return len(list(folder.glob("_parts/*")))


def kill(process: int) -> None:
    """Kill a process, if it still is there."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def main() -> None:
    """Obey commands on standard input until its end."""
    from ray.cluster_utils import Cluster

    common = {"object_store_memory": _STORE_BYTES, "include_log_monitor": False}
    head = {"num_cpus": 0, "include_dashboard": False, "no_monitor": True, **common}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = []
    print(cluster.address, flush=True)
    for line in sys.stdin:
        command, number = line.split()
        if command == "add":
            nodes += [cluster.add_node(num_cpus=1, **common) for _ in range(int(number))]
        else:
            cluster.remove_node(nodes.pop(int(number)), allow_graceful=False)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
