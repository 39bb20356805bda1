"""A run of ``distil map``: from its options to its last line."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from ...errors import DistilError
from ...models import ModelFile
from ...signals import results_pending
from ...terminal import Terminal
from ...units import count_of
from ..shared.extras import check_extra
from ..shared.offload import notice_loading
from ..shared.record import model_record, versions_record
from ..shared.texts import notice_empty
from .options import RowOptions, RunOptions

if TYPE_CHECKING:
    from ...cluster.job import Done, Inputs, Job
    from ...cluster.rows import RowTask
    from ...cluster.totals import Totals
    from ..tasks.rows import TaskOfRows

_FORMATS_OF_LINES = ("text", "jsonl")
_SEED = "seed"


def check_packages() -> None:
    """Make sure that the extra of these commands is installed.

    Raises:
        DistilError: it is not.
    """
    check_extra("cluster", "distil map", ["Ray", "PyArrow"], ["ray", "pyarrow"])


@contextmanager
def map_run(terminal: Terminal, rows: RowOptions, run: RunOptions) -> "Iterator[MapRun]":
    """Find the inputs of a run, and serve its metrics until the block ends, if they are wanted.

    Raises:
        DistilError: an input is missing or can't be read, they are not of a kind, or the port for
            metrics is taken.
    """
    from ...cluster.addresses import find_inputs
    from ...cluster.totals import Totals, metrics_served

    inputs = find_inputs(rows.inputs, rows.column, rows.identifier)
    totals, address = Totals(sum(inputs.sizes)), run.address
    if address is None:
        yield MapRun(terminal, rows, run, inputs, totals)
        return
    with metrics_served(totals, *address, "Choose another port for --metrics.") as url:
        terminal.notice(f"Metrics are at {url}.")
        yield MapRun(terminal, rows, run, inputs, totals)


class MapRun:
    """A run over the rows of inputs, of which nothing is done yet."""

    def __init__(
        self,
        terminal: Terminal,
        rows: RowOptions,
        run: RunOptions,
        inputs: "Inputs",
        totals: "Totals",
    ) -> None:
        """Take what is computed where, and what counts it."""
        from ...cluster.folder import OutputFolder

        self._terminal = terminal
        self._rows = rows
        self._run = run
        self._inputs = inputs
        self._totals = totals
        self._folder = OutputFolder(rows.output)
        self._format = rows.format or inputs.format

    def begin(
        self,
        operation: str,
        task: "TaskOfRows[Any]",
        options: Mapping[str, Any],
        seed: int | None = None,
        *,
        drawn: bool = False,
    ) -> int:
        """Begin the folder of the results, or go on with it.

        Args:
            operation: the name of the command.
            task: what is computed, with any seed.
            options: all others that the results depend on.
            seed: the first seed; None where none is used.
            drawn: whether it was drawn for this run, so that an earlier run has another one.

        Returns:
            The first seed: with ``--resume``, one that was drawn is that of the earlier run.

        Raises:
            DistilError: the folder can't be used, or was begun with something else; or the model
                can't be loaded, or can't do what the options ask for.
        """
        from ...cluster.writing import layout_of

        inputs = self._inputs
        layout_of(self._job(task))
        with task.open() as work:  # here, so that what can't be loaded begins no folder
            notice_loading(self._terminal, work.placement)
        record = {
            "operation": operation,
            "model": _model(task.task.file),
            "options": options,
            _SEED: seed,
            "inputs": inputs.addresses,  # parts know their rows, so that a file can be corrected
            "input_format": inputs.format,
            "column": inputs.column,
            "id": inputs.identifier,
            "format": self._format,
            "part_rows": self._rows.part_rows,
            "versions": versions_record(),
        }
        free = (_SEED,) if drawn else ()
        begun = self._folder.begin(record, resume=self._rows.resume, free=free)
        return int(begun[_SEED] or 0)

    def _job(self, task: "RowTask") -> "Job":
        from ...cluster.job import Job

        number = "line" if self._inputs.format in _FORMATS_OF_LINES else "row"
        folder, part_rows = self._folder.address, self._rows.part_rows
        return Job(task, self._inputs, folder, self._format, part_rows, number)

    def compute(self, task: "RowTask") -> None:
        """Compute all rows, and print the folder of the results.

        Raises:
            DistilError: a row has no result, or the run can't go on; what is done stays.
        """
        from ...cluster.job import Cluster
        from ...cluster.run import computed_parts

        terminal, run, totals = self._terminal, self._run, self._totals
        cluster = Cluster(run.cluster, run.worker_count, run.thread_count)
        job, token = self._job(task), self._folder.token
        name = count_of(len(self._inputs.addresses), "file")
        totals.begin = time.monotonic()
        with (
            results_pending(),
            self._interruptible(),
            terminal.bar(name, totals.size) as advance,
            closing(computed_parts(job, cluster, token, terminal.notice)) as parts,
        ):
            for done in self._noticing(parts):
                totals.add(done)
                rate = totals.rows_per_second
                advance(done.size, f"{count_of(totals.counts.rows, 'row')} · {rate:.0f} rows/s")
            self._folder.finish(totals.parts, totals.summary)
        self._end()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self._terminal.notice(
                f"The results so far are in {self._rows.output}: go on with --resume."
            )
            raise

    def _noticing(self, parts: "Iterator[Done]") -> "Iterator[Done]":
        """Report it once if the processors that compute are not of one kind."""
        kinds = set()
        for done in parts:
            if not done.again and done.processor not in kinds:
                kinds.add(done.processor)
                if len(kinds) == 2:
                    self._terminal.notice(
                        "The machines have different processors: the last digits can depend on"
                        " which of them computes a row."
                    )
            yield done

    def _end(self) -> None:
        terminal, totals, folder = self._terminal, self._totals, self._rows.output
        counts = totals.counts
        notice_empty(terminal, counts.empty)
        if counts.cut:
            terminal.notice(
                f"{count_of(counts.cut, 'prompt')} did not fit the context window:"
                " the first tokens of each are left out."
            )
        earlier = f" ({totals.earlier_rows:,} by an earlier run)" if totals.earlier_rows else ""
        terminal.notice(
            f"{count_of(counts.rows, 'row')}{earlier}, {count_of(counts.failures, 'failure')},"
            f" {count_of(counts.tokens, 'token')} in {totals.seconds:.1f} s,"
            f" {totals.rows_per_second:.0f} rows/s."
        )
        terminal.write(f"{folder}\n")
        if counts.failures:
            from ...cluster.filesystems import within

            raise DistilError(
                f"{counts.failures} of {counts.rows} rows have no result.",
                f"See {within(folder, '_errors')} for the reasons, correct the rows, and run those"
                " again.",
            )


def _model(file: ModelFile) -> dict[str, Any]:
    """Return what the results depend on of a model, wherever its files are."""
    record = model_record(file)
    adapters = [
        {name: each[name] for name in ("name", "sha256", "scale")} for each in record["adapters"]
    ]
    return {"name": record["name"], "sha256": record["sha256"], "adapters": adapters}
