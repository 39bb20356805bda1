"""The perplexity of text files, each a document of its own."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from ...engine.llama.placement import AUTO, Offload, Placement
from ...terminal import Terminal
from ..shared.sources import decoded, read_source, source_name

if TYPE_CHECKING:
    from ...engine import Evaluator, Perplexity, Window
    from ...engine.session import Needs

REMEDY = "Use text files, or - for standard input."

Method = Literal["sliding", "llama.cpp"]


class TextFile(NamedTuple):
    """A text file.

    Attributes:
        number: its place among all of them.
        name: as `own_source` returns it.
    """

    number: int
    name: str


class Measured(NamedTuple):
    """A window that was scored.

    Attributes:
        figures: those of its tokens alone.
        window: how many tokens a window has.
        stride: how many there are from one window to the next.
    """

    figures: "Perplexity"
    window: int
    stride: int


@dataclass(frozen=True)
class PerplexityTask:
    """Measures a model on text files.

    Attributes:
        path: the model file, maybe with adapters.
        reference: another one to compare it with, if it has the same vocabulary.
        window: the tokens in a window; None for the model's, or the reference's.
        stride: the tokens from one window to the next; None for half a window.
        method: how the files are cut into windows.
        threads: the number of threads; None for the engine's choice.
        offload: where the model's layers are wanted.
        terminal: whose standard input may be one of the files.
        values: the folder for how the model differs from the reference at each token, with a file
            for each text; None if nobody wants to know.
    """

    path: os.PathLike[str]
    reference: os.PathLike[str] | None
    window: int | None
    stride: int | None
    method: Method
    threads: int | None = None
    offload: Offload = AUTO
    terminal: Terminal | None = None
    values: Path | None = None

    @contextmanager
    def open(self) -> "Iterator[PerplexityWork]":
        """Load the models; see `open_evaluator` for what is raised."""
        from ...engine import open_evaluator

        if self.reference is None:
            with open_evaluator(
                self.path, size=self.window, threads=self.threads, offload=self.offload
            ) as evaluator:
                yield PerplexityWork(self, evaluator, None)
            return
        with (
            open_evaluator(
                self.reference, size=self.window, threads=self.threads, offload=self.offload
            ) as reference,
            open_evaluator(
                self.path, size=reference.size, threads=self.threads, offload=self.offload
            ) as evaluator,
        ):
            same = reference.model.shares_vocabulary(evaluator.model)
            yield PerplexityWork(self, evaluator, reference if same else None)

    def needs(self) -> "Needs":
        """Return what a process needs."""
        from ...engine.session import Needs, evaluator_needs

        own = evaluator_needs(self.path, self.offload)
        if self.reference is None:
            return own
        other = evaluator_needs(self.reference, self.offload)
        return Needs(own.device or other.device, own.memory + other.memory)

    def for_worker(self, threads: int) -> "PerplexityTask":
        """Return the same for a process beside others, which has no standard input."""
        return replace(self, threads=threads, terminal=None)


class PerplexityWork:
    """Measures a model with an evaluator."""

    def __init__(
        self, task: PerplexityTask, evaluator: "Evaluator", reference: "Evaluator | None"
    ) -> None:
        """Use the evaluators of the task."""
        self._task = task
        self._evaluator = evaluator
        self._reference = reference

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self._evaluator.placement

    def results(self, items: Iterable[TextFile]) -> Iterator[Measured]:
        """Yield the windows of files in order; no file has one that is too short."""
        from ...engine import measure_each
        from ...engine.evaluate.comparing import token_values

        for file in items:
            windows = measure_each(self._evaluator, self._windows(file.name), self._reference)
            with self._values_of(file) as values:
                for window in windows:
                    values.write(token_values(window.divergences))
                    yield Measured(window.figures, self._evaluator.size, self._stride)

    def interrupted(self) -> Iterator[Measured]:
        """Yield nothing: the figures are of all files."""
        return iter(())

    def _values_of(self, file: TextFile) -> BinaryIO:
        """Open what takes the values of a file's tokens."""
        folder = self._task.values if self._reference else None
        path = Path(os.devnull) if folder is None else folder / str(file.number)
        return path.open("wb")

    @property
    def _stride(self) -> int:
        from ...engine.evaluate.windows import half

        size, stride = self._evaluator.size, self._task.stride
        if self._task.method == "llama.cpp":
            return size
        return half(size) if stride is None else stride

    def _windows(self, name: str) -> "Iterator[Window]":
        from ...engine import disjoint, sliding, stream_tokens

        task, model, size = self._task, self._evaluator.model, self._evaluator.size
        parts = read_source(task.terminal or Terminal.system(), name, REMEDY)
        tokens = stream_tokens(model, decoded(parts, source_name(name)))
        if task.method == "llama.cpp":
            return disjoint(tokens, size, model.added_start_token)
        return sliding(tokens, size, self._stride)
