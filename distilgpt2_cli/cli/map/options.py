"""The options that the commands of ``distil map`` share."""

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from ...errors import UsageError
from ..shared.model_options import parse_threads
from ..shared.options import check_at_least_one, parse_workers

MAX_PORT = 65535
METRICS_HOST = "127.0.0.1"
"""Where metrics are served if no host is named: programs on other machines can't reach it."""


@dataclass(frozen=True)
class RowOptions:
    """Where the rows come from, and where what is computed of them goes."""

    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files or folders, here or at an address such as s3://bucket/folder.",
            show_default=False,
        ),
    ]
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write the results to this folder, here or at such an address.",
            show_default=False,
        ),
    ]
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Column with the texts, where the input has columns.",
            show_default="text",
        ),
    ] = None
    identifier: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="NAME",
            help="Column with identifiers of the rows, which the results have, too.",
            show_default=False,
        ),
    ] = None
    format: Annotated[
        Literal["text", "jsonl", "csv", "parquet"] | None,
        typer.Option(
            metavar="FORMAT",
            help="Format of the results: text, jsonl, csv or parquet.",
            show_default="that of the input",
        ),
    ] = None
    part_rows: Annotated[
        int, typer.Option(metavar="N", help="Rows in each file of results, about.")
    ] = 1024
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where an earlier run with this folder stopped."),
    ] = False

    def __post_init__(self) -> None:
        """Refuse what can't be a number of rows."""
        check_at_least_one("part-rows", self.part_rows)


@dataclass(frozen=True)
class RunOptions:
    """Who computes, and what others can see of it."""

    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on this Ray cluster, host:port or auto, instead of this machine.",
            show_default=False,
        ),
    ] = None
    workers: Annotated[
        str,
        typer.Option(metavar="N", help="Processes that share the work; auto uses all cores."),
    ] = "auto"
    threads: Annotated[
        str, typer.Option(metavar="N", help="Number of threads of each process; auto is 1.")
    ] = "auto"
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Serve metrics for Prometheus over HTTP; port 0 picks a free one.",
            show_default=False,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse what is not a number, or an address."""
        _ = self.address, self.thread_count, self.worker_count  # for what they raise
        if self.cluster == "":
            raise UsageError("--cluster is empty.", "Name host:port, or auto.")

    @property
    def worker_count(self) -> int | None:
        """How many processes; None for as many as there are cores."""
        return parse_workers(self.workers, several=True, what="several rows")

    @property
    def thread_count(self) -> int:
        """The threads of each process."""
        return parse_threads(self.threads) or 1

    @property
    def address(self) -> tuple[str, int] | None:
        """The host and port for metrics; None if they are not served.

        Raises:
            UsageError: the option is not valid.
        """
        if self.metrics is None:
            return None
        host, colon, port = self.metrics.rpartition(":")
        host = host.removeprefix("[").removesuffix("]") if colon else METRICS_HOST
        if not (host and port.isdecimal() and len(port) <= 5 and int(port) <= MAX_PORT):
            raise UsageError(
                f"--metrics can't be {self.metrics!r}.",
                "Use a port, or a host and a port, such as 9090 or 0.0.0.0:9090.",
            )
        return host, int(port)
