"""The requests of a batch file as a source of work, without those that have results."""

from collections import deque

from ...batches.requests import BatchRequest, RequestLines
from ...batches.results import beginning, known
from ...errors import DistilError
from ...growing_file import GrowingFile
from ...terminal.input import LineReader
from ...workers.chunks import Cutter, texts_to_generate
from ...workers.tasks import Source

_Taken = tuple[BatchRequest | None, bool]


class RequestSource(Source[BatchRequest]):
    """Requests from the lines of the input.

    Attributes:
        done: how many requests have results of an earlier run.
        failures: how many of these are errors.
        repeated: how many of them are computed once more, because others are computed together
            with them. Their results come first.
    """

    def __init__(self, lines: RequestLines, reader: LineReader, parallel: int) -> None:
        """Read nothing yet.

        Args:
            lines: makes requests of lines.
            reader: what is read.
            parallel: completions computed at once.
        """
        self.descriptor = reader.descriptor
        self.done = self.failures = self.repeated = 0
        self._lines = lines
        self._reader = reader
        self._cutter = Cutter(texts_to_generate(parallel, 1))
        self._depend = parallel > 1
        self._again: deque[_Taken] = deque()  # what was read to find where to go on

    def pass_over(self, results: GrowingFile) -> None:
        """Go on after the results of an earlier run.

        Raises:
            DistilError: they are not those of this file with this model and these options.
        """
        chunk: list[_Taken] = []
        for line in results.lines():
            result, (request, is_last) = known(line), self._next_request(results)
            if not (result and request and result.id == request.id):
                raise self._foreign(results)
            self.done += 1
            self.failures += result.failed
            chunk.append((request, is_last))
            if is_last or not self._depend:
                chunk.clear()
        self.repeated = len(chunk)
        self._again.extend(chunk)
        if results.torn:
            taken = self._next_request(results)
            self._check_torn(results, taken[0])
            self._again.append(taken)

    def _next_request(self, results: GrowingFile) -> _Taken:
        while (taken := self._read()) is not None:
            if taken[0]:
                return taken
        raise self._foreign(results)

    def _check_torn(self, results: GrowingFile, request: BatchRequest | None) -> None:
        expected = beginning(request) if request else b""
        if not (expected.startswith(results.torn) or results.torn.startswith(expected)):
            raise self._foreign(results)

    def _foreign(self, results: GrowingFile) -> DistilError:
        return DistilError(
            f"Line {self.done + 1} of {results.path} is not the result of the request there, with"
            " this model and --parallel.",
            "Use the same file, model and options as before, or another --output.",
        )

    def take(self) -> _Taken | None:
        """Return the next request, None for an empty line."""
        return self._again.popleft() if self._again else self._read()

    def ready(self) -> bool:
        """Return whether the next line is there."""
        return bool(self._again) or self._reader.ready()

    def has(self, chunks: int) -> bool:
        """Return whether there are more lines, or bytes, than so many chunks have."""
        return self._reader.has(chunks * self._cutter.lines + 1, chunks * self._cutter.size)

    def _read(self) -> _Taken | None:
        try:
            line = next(self._reader)
        except StopIteration:
            return None
        request = self._lines.accept(line)
        if request is None:
            return None, False
        return request, self._cutter.ends_after((line or b"").decode(errors="replace"))
