"""A part computed and committed, by whoever has opened the task."""

import time
from collections.abc import Iterator
from typing import Any

from ..workers.tasks import Work
from .folder import OutputFolder
from .job import Done, Job
from .parts import Part, chunks
from .rows import Computed, Refused
from .writing import layout_of


class PartComputer:
    """Computes parts with an opened task."""

    def __init__(self, job: Job, folder: OutputFolder, work: Work[Any, Computed | Refused]) -> None:
        """Take what is opened."""
        self._job = job
        self._layout = layout_of(job)
        self._folder = folder
        self._work = work

    def done(self, part: Part) -> Done:
        """Compute a part and commit it, unless an earlier run, or another process, has done so.

        Raises:
            DistilError: it can't be computed or written, or the earlier run had other rows.
        """
        begin = time.monotonic()
        receipt = self._folder.finished(part, self._layout)
        again = receipt is not None
        if receipt is None:
            receipt = self._folder.commit(part, self._layout, self._results(part))
        counts: Any = receipt.by_name
        return Done(
            **counts,
            number=part.number,
            size=part.size,
            seconds=0.0 if again else time.monotonic() - begin,
            again=again,
        )

    def _results(self, part: Part) -> Iterator[Computed | Refused]:
        task = self._job.task
        for chunk in chunks(part, task.chunk_texts):
            yield from self._work.results(task.item(row, place) for row, place in chunk)
