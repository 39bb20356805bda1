"""A pass of Ray over the rows: parts are read, and computed on all cores that there are."""

import os
import re
import time
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from threading import Lock, Thread
from typing import Any

from ..errors import DistilError
from ..units import format_bytes
from .actor import MOST_ATTEMPTS, Assignment, Attempts, done_of, error_of, versions
from .dataset import on_this_node, results
from .delivery import delivered
from .filesystems import settings_for
from .job import Message, Request

_MISSING = re.compile(r"No module named '?[\w.]+'?")
_PATIENCE = 20.0  # seconds, for the first process


class Pass:
    """A pass, of which each part is sent when it is committed."""

    def __init__(self, request: Request, connection: "Connection[Message, Any]") -> None:
        """Make sure that Ray can compute it.

        Raises:
            DistilError: no machine has enough cores or memory, or the model can't be read.
        """
        import ray

        job, cluster = request.job, request.cluster
        self._request = request
        self._connection = connection
        self._lock = Lock()
        self._cores = self._checked_cores()
        attempts = ray.remote(Attempts).options(**on_this_node()).remote()
        there = cluster.address is not None
        self._assignment = Assignment(
            job,
            request.token,
            tuple(delivered(job.task.files, sent=there)),
            attempts,
            versions(),
            settings_for((*job.inputs.addresses, job.output), os.environ) if there else {},
        )

    def last_message(self) -> Message:
        """Send all parts, and return what comes last."""
        from ray.exceptions import RayError

        Thread(target=self._watch, daemon=True).start()
        at_the_end: DistilError | None = None
        found = results(self._assignment, self._request.cluster, self._request.memory)
        try:
            with closing(found):
                for result in found:
                    error = error_of(result)
                    if error is None:
                        self._send(("done", done_of(result)))
                    elif "last" in result:
                        at_the_end = error
                    else:
                        return "error", error
        except RayError as error:
            missing = _MISSING.search(str(error))
            if missing:
                return "error", DistilError(
                    f"A machine of the Ray cluster can't load distil: {missing[0]}.",
                    "Install distil with its extra cluster on all machines, in the Python of Ray.",
                )
            return "lost", type(error).__name__
        return ("error", at_the_end) if at_the_end else ("end", None)

    def _send(self, message: Message) -> None:
        with self._lock:
            self._connection.send(message)

    def _checked_cores(self) -> float:
        """Return how many cores there are, after a look whether a machine has those of an actor."""
        import ray

        threads, memory = self._request.cluster.threads, self._request.memory
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = max((node.get("CPU", 0) for node in nodes), default=0)
        if not most:
            return 0  # machines may join the cluster when there is work
        if most < threads:
            raise DistilError(
                f"No machine of the Ray cluster has {threads} cores: the largest has {most:.0f}.",
                f"Use --threads {most:.0f}, or fewer.",
            )
        room = max(node.get("memory", 0) for node in nodes if node.get("CPU", 0) >= threads)
        if room < memory:
            raise DistilError(
                f"A process needs {format_bytes(memory)} of memory, and Ray has"
                f" {format_bytes(int(room))} on the largest machine.",
                "Use a smaller model, a lower --parallel, or a machine with more memory.",
            )
        return most

    def _watch(self) -> None:
        """Report what Ray waits for, or tries again, without an end."""
        import ray

        attempts = self._assignment.attempts
        with suppress(Exception):  # whatever it is, the run reports it
            time.sleep(_PATIENCE)
            if self._request.cluster.address and not ray.get(attempts.actors.remote()):
                what = "started no process for this run" if self._cores else "no cores"
                self._send(("notice", f"Waiting for the Ray cluster: it has {what} yet."))
            while True:
                count = ray.get(attempts.fruitless.remote())
                cores = ray.cluster_resources().get("CPU", 1)
                if count > MOST_ATTEMPTS * max(cores, self._request.cluster.workers or 1):
                    self._send(("error", _dying(count)))
                time.sleep(_PATIENCE)


def _dying(count: int) -> DistilError:
    return DistilError(
        f"{count} processes have begun since the last result, and ended without one, as for want"
        " of memory.",
        "Use fewer workers, a lower --parallel, or machines with more memory.",
    )
