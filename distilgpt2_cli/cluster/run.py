"""A run: parts are read, computed and committed, each once, all in this process."""

import time
from collections.abc import Generator, Iterator
from typing import Any

from .folder import OutputFolder
from .job import Cluster, Done, Job
from .parts import Part, chunks, cut
from .reading import RowReader
from .rows import Computed, Refused
from .writing import layout_of


def computed_parts(job: Job, cluster: Cluster, token: str) -> Generator[Done, None, None]:  # noqa: ARG001
    """Yield each part when it is committed; close it to stop.

    Raises:
        DistilError: a part can't be computed or written, or the input can't be read to its end.
    """
    folder, layout = OutputFolder(job.output), layout_of(job)
    with job.task.open() as work:
        for part in cut(RowReader(job.inputs), job.task.chunk_texts, job.part_rows):
            begin = time.monotonic()
            receipt = folder.finished(part, layout)
            again = receipt is not None
            if receipt is None:
                receipt = folder.commit(part, layout, _results(job, work, part))
            counts = (receipt.rows, receipt.results, receipt.failures, receipt.tokens)
            seconds = 0.0 if again else time.monotonic() - begin
            yield Done(part.number, *counts, receipt.empty, part.size, seconds, again)


def _results(job: Job, work: Any, part: Part) -> Iterator[Computed | Refused]:
    for chunk in chunks(part, job.task.chunk_texts):
        yield from work.results(job.task.item(row, place) for row, place in chunk)
