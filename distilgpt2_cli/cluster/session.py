"""A connection to Ray: to a cluster that runs already, or to one on this machine alone."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from ..engine.llama.cores import usable_cores
from ..errors import DistilError
from .job import Cluster

# Before Ray is imported. It would ask the internet about its users, and write its own messages,
# which are about its parts and not about a person's rows.
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_task_events_report_interval_ms": "0",  # for a dashboard; they fill the memory
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_ANY = "auto"  # the cluster that this machine belongs to
_LOOPBACK = "127.0.0.1"  # where Ray listens on one machine; and it asks for a token
_TOKEN_BYTES = 32
_PATIENCE = 10.0  # seconds
_STORE_BYTES, _STORE_BYTES_OF_ACTOR = 128 * 2**20, 64 * 2**20  # for parts on their way


class NoClusterError(DistilError):
    """Nothing answers at the address of a cluster."""


def no_answer(address: str | None, reason: str = "What listens there is silent.") -> NoClusterError:
    """Return the error of an address where no cluster is, with a reason as a sentence."""
    return NoClusterError(
        f"No Ray cluster answers at {address}: {reason}",
        "Start one with `ray start --head`, or run on this machine alone.",
    )


@contextmanager
def connected(cluster: Cluster, folder: Path | None) -> Iterator[None]:
    """Connect to Ray until the block ends.

    Args:
        cluster: a running one, or this machine alone.
        folder: for the sockets and logs of Ray on this machine alone.

    Raises:
        NoClusterError: nothing answers at the address.
        DistilError: what answers has another version.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if cluster.address is None:
        # Ray would make a token for all clusters of this user, and keep it in the home folder.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", token_hex(_TOKEN_BYTES))
    import ray

    try:
        _connect(cluster, folder)
        yield
    finally:
        ray.shutdown()


def _connect(cluster: Cluster, folder: Path | None) -> None:
    import ray

    if cluster.address is None:
        cores = max(usable_cores(), (cluster.workers or 1) * cluster.threads)
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES + cores * _STORE_BYTES_OF_ACTOR,
            _node_ip_address=_LOOPBACK,
            _temp_dir=str(folder),
            log_to_driver=False,
        )
        return
    try:
        _check_answers(cluster.address)
    except (OSError, ValueError) as error:
        raise no_answer(cluster.address, _first_line(error)) from error
    try:
        ray.init(address=cluster.address, log_to_driver=False)
    except ConnectionError as error:
        started = "Start a cluster with `ray start --head`, or name the HOST:PORT of one."
        reached = (
            "Check that a cluster runs there; if it asks for a token, set RAY_AUTH_MODE=token."
        )
        raise NoClusterError(
            f"Ray can't connect to {cluster.address}: {_first_line(error)}",
            started if cluster.address == _ANY else reached,
        ) from error
    except RuntimeError as error:
        raise DistilError(
            f"The Ray cluster at {cluster.address} can't be used: {_first_line(error)}",
            "Install the same versions of Ray and Python on all machines.",
        ) from error


def _check_answers(address: str) -> None:
    """Make sure that something listens there: Ray itself would try for minutes.

    Raises:
        OSError: nothing does.
        ValueError: it is no address.
    """
    if address == _ANY:
        return
    host, separator, port = address.rpartition(":")
    if "/" in address or not (separator and port.isdecimal()):
        raise ValueError("It must be HOST:PORT, or auto")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = " ".join(text.split()).partition(". ")[0]
    return f"{first.rstrip('.')}."
