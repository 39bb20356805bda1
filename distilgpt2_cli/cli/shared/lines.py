"""The lines of the input as a source of work, with what is said of them in their order."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from ...errors import DistilError
from ...terminal import Terminal
from ...workers.chunks import Cutter, Listed
from ...workers.run import Run
from ...workers.tasks import Source
from ..tasks.lines import Cuts, Failure, Own, Text
from .texts import InputLines, notice_space

Parse = Callable[[Any], tuple[str, Own | Cuts | None]]
_Result = TypeVar("_Result")


class Lines(Protocol):
    """Counts the lines of an input, or other parts of it, and reports those that are not texts.

    Attributes:
        count: the number of the last one.
    """

    count: int

    def accept(self, line: Any) -> Any:
        """Count a line, and return what is in it, None if it is empty."""

    def skip(self, error: DistilError, number: int | None = None) -> None:
        """Report a line that failed, and count it; without ``number``, the error has it."""


class Reader(Protocol):
    """Reads such lines; see `LineReader`."""

    descriptor: int

    def __next__(self) -> Any:
        """Return the next one, and wait for it."""

    def ready(self) -> bool:
        """Return whether the next one, or the end, is there."""

    def has(self, count: int, size: int) -> bool:
        """Return whether so many, or some of so many bytes, are there within a moment."""


class LineSource(Source[Text]):
    """Texts from the lines of the input.

    A message about a line is shown when the results of the lines before it are, at whatever moment
    each line is read.
    """

    def __init__(
        self, lines: Lines, reader: Reader, texts: int, parse: Parse | None = None
    ) -> None:
        """Read nothing yet.

        Args:
            lines: counts the lines, and reports those that are not texts.
            reader: what is read.
            texts: how many texts a chunk has.
            parse: returns the text that a line has in it; by default it is the text.
        """
        self.descriptor = reader.descriptor
        self._lines = lines
        self._reader = reader
        self._parse = parse or (lambda line: (line, None))
        self._cutter = Cutter(texts)
        self._texts = 0
        self._noticing: Terminal | None = None
        # What is shown in this order: None stands for the results of a text.
        self._waiting: deque[Callable[[], object] | None] = deque()
        self._again: deque[tuple[Text | None, bool]] = deque()

    def pass_over(self, number: int) -> int:
        """Leave out what an earlier run has done, up to the text with a number.

        A chunk of which it has done a part is computed again, so that its results are the same.

        Returns:
            How many of the first results that run has written.
        """
        chunk: list[tuple[Text | None, bool]] = []
        while (taken := self.take()) is not None:
            chunk.append(taken)
            text, is_last = taken
            if is_last:
                for each, _ in chunk:
                    if each:
                        self.done()
                chunk = []
            if text and text.number >= number:
                break
        self._again.extend(chunk)
        return sum(text is not None for text, _ in chunk)

    def notice_space(self, terminal: Terminal) -> None:
        """Report the first text that ends in a space."""
        self._noticing = terminal

    def take(self) -> tuple[Text | None, bool] | None:
        """Return the text of the next line, None if it has none."""
        if self._again:
            return self._again.popleft()
        try:
            line = next(self._reader)
        except StopIteration:
            return None
        number = None  # which the error has that there may be before
        try:
            content = self._lines.accept(line)
            if content is None:
                return None, False
            number = self._lines.count
            text, parsed = self._parse(content)
        except DistilError as error:
            self._show(partial(self._lines.skip, error, number))
            return None, self._cutter.ends_after_failure()
        if self._noticing and text.endswith(" "):
            self._show(partial(notice_space, self._noticing, text))
            self._noticing = None
        own, cuts = (None, parsed) if isinstance(parsed, Cuts) else (parsed, None)
        taken = Text(number, text, self._texts, own, cuts)
        self._texts += 1
        self._waiting.append(None)
        return taken, self._cutter.ends_after(text)

    def ready(self) -> bool:
        """Return whether the next line is there."""
        return self._reader.ready()

    def has(self, chunks: int) -> bool:
        """Return whether there are more lines, or bytes, than so many chunks have."""
        return self._reader.has(chunks * self._cutter.lines + 1, chunks * self._cutter.size)

    def fail(self, failure: Failure) -> None:
        """Report a text that has no result."""
        self._lines.skip(failure.error, failure.number)
        self.done()

    def done(self) -> None:
        """Take note that all results of the next text were shown."""
        self._waiting.popleft()
        while self._waiting and (show := self._waiting[0]):
            show()
            self._waiting.popleft()

    def _show(self, message: Callable[[], object]) -> None:
        if self._waiting:
            self._waiting.append(message)
        else:
            message()


class OneText(Listed[Text]):
    """A single text, whose failure ends the command."""

    def __init__(self, text: str, cuts: Cuts | None = None) -> None:
        """Take the text."""
        super().__init__([[Text(1, text, cuts=cuts)]])

    def fail(self, failure: Failure) -> None:
        """Raise why the text has no result."""
        raise failure.error

    def done(self) -> None:
        """Do nothing: there are no messages about lines."""


TextSource = LineSource | OneText


def shown(run: Run[Text, _Result | Failure], source: TextSource) -> Iterator[_Result]:
    """Yield the results of texts, each to be shown before the next is asked for.

    Raises:
        DistilError: as the run, or a single text has no result.
    """
    for result in run.results():
        if isinstance(result, Failure):
            source.fail(result)
        else:
            yield result
            source.done()


@contextmanager
def line_source(lines: InputLines, texts: int, parse: Parse | None = None) -> Iterator[LineSource]:
    """Open the lines of the input; see `LineSource`.

    Raises:
        DistilError: they can't be read.
    """
    with lines.open() as reader:
        yield LineSource(lines, reader, texts, parse)
