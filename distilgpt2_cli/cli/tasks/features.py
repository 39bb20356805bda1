"""The hidden states of texts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...engine.llama.placement import AUTO, Offload, Placement
from ...engine.options import Overflow, Pool
from ...models import ModelFile
from ..shared.adapters import adapted
from .lines import Failure, Text, in_groups

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...engine import Evaluator
    from ...engine.session import Needs


@dataclass(frozen=True)
class Features:
    """The features of one text.

    Attributes:
        number: its line's number, from 1.
        text: the text itself.
        tokens: how many tokens were evaluated for it.
        layer: whose states they are, from 0 for the embeddings.
        window: the tokens that were evaluated together at most.
        stride: the tokens from one window of a long text to the next.
        values: 32-bit floats, tokens by width or width.
    """

    number: int
    text: str
    tokens: int
    layer: int
    window: int
    stride: int
    values: "NDArray[np.float32]"

    @property
    def digits(self) -> Iterator[list[str]]:
        """The rows, each number with the digits that identify a 32-bit float."""
        rows = self.values if self.values.ndim > 1 else [self.values]
        return (list(map(str, row)) for row in rows)

    def text_lines(self, *, separated: bool) -> Iterator[str]:
        """Yield the rows as lines of text with their ends.

        Args:
            separated: an empty line follows, to separate several texts of several rows.
        """
        yield from (" ".join(row) + "\n" for row in self.digits)
        if separated:
            yield "\n"

    @property
    def numbers(self) -> list[Any]:
        """The row, or the rows, as numbers that JSON writes with those digits."""
        rows = [list(map(float, row)) for row in self.digits]
        return rows if self.values.ndim > 1 else rows[0]


@dataclass(frozen=True)
class FeaturesTask:
    """Computes hidden states.

    Attributes:
        file: the model file.
        pool: what is made of those of a text; see `FeatureExtractor`.
        overflow: what is done with a text that is longer than the window.
        parallel: texts evaluated at once.
        threads: the number of threads; None for the engine's choice.
        offload: where the model's layers are wanted.
        layer: whose states; None for the last one.
    """

    file: ModelFile
    pool: Pool = "none"
    overflow: Overflow = "error"
    parallel: int = 1
    threads: int | None = None
    offload: Offload = AUTO
    layer: int | None = None

    @contextmanager
    def open(self) -> "Iterator[FeaturesWork]":
        """Load the model; see `open_evaluator` for what is raised."""
        from ...engine import open_evaluator

        with open_evaluator(
            adapted(self.file),
            threads=self.threads,
            sequences=self.parallel,
            hidden_states=True,
            layer=self.layer,
            offload=self.offload,
        ) as evaluator:
            yield FeaturesWork(self, evaluator)

    def needs(self) -> "Needs":
        """Return what a process needs."""
        from ...engine.session import evaluator_needs

        return evaluator_needs(adapted(self.file), self.offload)

    def for_worker(self, threads: int) -> "FeaturesTask":
        """Return the same for a process beside others."""
        return replace(self, threads=threads)


class FeaturesWork:
    """Computes hidden states with an evaluator."""

    def __init__(self, task: FeaturesTask, evaluator: "Evaluator") -> None:
        """Use the evaluator of the task."""
        from ...engine import FeatureExtractor

        self._parallel = task.parallel
        self._layer = evaluator.model.layers if task.layer is None else task.layer
        self._evaluator = evaluator
        self._extractor = FeatureExtractor(evaluator, task.pool, task.overflow)

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self._evaluator.placement

    def results(self, items: Iterable[Text]) -> Iterator[Features | Failure]:
        """Yield the features of texts."""
        extractor = self._extractor
        for result in in_groups(items, extractor.tokens, extractor.extract, self._parallel):
            if isinstance(result, Failure):
                yield result
            else:
                text, tokens, values = result
                yield Features(
                    text.number,
                    text.text,
                    len(tokens),
                    self._layer,
                    extractor.window,
                    extractor.stride,
                    values,
                )

    def interrupted(self) -> Iterator[Features | Failure]:
        """Yield nothing: a text has all of its features or none."""
        return iter(())
