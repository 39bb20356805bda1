"""A part computed and committed, by whoever has opened the task."""

from collections.abc import Iterator
from typing import Any

from ..workers.tasks import Work
from .folder import OutputFolder
from .job import Done, Job
from .parts import Part, chunks
from .rows import Computed, Refused


class PartComputer:
    """Computes parts with an opened task."""

    def __init__(
        self, job: Job, folder: OutputFolder, work: Work[Any, Computed | Refused]
    ) -> None:
        """Take what is opened."""
        self._job = job
        self._folder = folder
        self._work = work

    def done(self, part: Part) -> Done:
        """Compute a part and commit it, unless an earlier run, or another process, has done so.

        Raises:
            DistilError: it can't be computed or written, or the earlier run had other rows.
        """
        receipt = self._folder.receipt(part)
        again = receipt is not None
        if receipt is None:
            receipt = self._folder.commit(self._job, part, list(self._results(part)))
        return Done(
            part.number,
            receipt.rows,
            receipt.results,
            receipt.failures,
            receipt.tokens,
            receipt.empty,
            part.size,
            again=again,
            processor="" if again else _processor(),
        )

    def _results(self, part: Part) -> Iterator[Computed | Refused]:
        """Yield what is computed, in the order of the rows."""
        place = part.first_place
        for chunk in chunks(part, self._job.task.chunk_texts):
            refused = [Refused(row.number, row.problem) for row in chunk if row.problem]
            texts = [row for row in chunk if not row.problem]
            items = [self._job.task.item(row, place + at) for at, row in enumerate(texts)]
            place += len(texts)
            for result in self._work.results(items):
                while refused and refused[0].number < result.number:
                    yield refused.pop(0)
                yield result
            yield from refused


def _processor() -> str:
    from ..engine.llama.bindings import features

    return features()
