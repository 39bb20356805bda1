"""A connection to Ray: to a cluster that runs already, or to one on this machine alone."""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from ..engine.llama.cores import usable_cores
from ..errors import DistilError
from ..signals import deferred
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
_LOGGERS = ("ray", "ray.data")
_LOOPBACK = "127.0.0.1"  # where Ray, which asks nobody for a password, listens on one machine
_LONGEST_FOLDER = 16  # characters; Ray needs 80 more of the 104 that a socket's name may have
_PATIENCE = 10.0  # seconds
_STORE_BYTES, _STORE_BYTES_OF_ACTOR = 128 * 2**20, 64 * 2**20  # for parts on their way


@contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """Connect to Ray until the block ends.

    Raises:
        DistilError: nothing answers at the address, or what answers has another version.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with (
        _temporary_folder() as folder,
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        with deferred():
            import ray
            import ray.data

        try:
            with _kept_handler(), _silent_descriptor(), deferred():
                _connect(cluster, folder)
            for name in _LOGGERS:
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            yield
        finally:
            ray.shutdown()


def _temporary_folder() -> TemporaryDirectory[str]:
    """Return a folder for Ray's sockets and logs, where the names of sockets are not too long."""
    usual = gettempdir()
    place = usual if len(usual) <= _LONGEST_FOLDER else "/tmp"
    return TemporaryDirectory(prefix="distil-ray-", dir=place, ignore_cleanup_errors=True)


@contextmanager
def _kept_handler() -> Iterator[None]:
    """Take SIGTERM back from Ray."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _silent_descriptor() -> Iterator[None]:
    """Let code in C++ say nothing on standard error: it reports that it will be silent."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _connect(cluster: Cluster, folder: str) -> None:
    import ray

    quiet = {
        "log_to_driver": False,
        "configure_logging": False,
        "logging_level": logging.CRITICAL,
    }
    if cluster.address is None:
        cores = max(usable_cores(), (cluster.workers or 1) * cluster.threads)
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES + cores * _STORE_BYTES_OF_ACTOR,
            _node_ip_address=_LOOPBACK,
            _temp_dir=folder,
            **quiet,
        )
        return
    try:
        _check_answers(cluster.address)
        ray.init(address=cluster.address, **quiet)
    except (OSError, ValueError) as error:
        raise DistilError(
            f"No Ray cluster answers at {cluster.address}: {_first_line(error)}",
            "Start one with `ray start --head`, or run on this machine alone.",
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
    if address == "auto":
        return
    host, separator, port = address.rpartition(":")
    if "/" in address or not (separator and port.isdecimal()):
        raise ValueError("It must be HOST:PORT, or auto")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = " ".join(text.split()).partition(". ")[0]
    return f"{first.rstrip('.')}."
