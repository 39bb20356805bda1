"""What the tasks that score texts have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...engine.llama.placement import AUTO, Offload
from ...models import ModelFile
from ..shared.adapters import adapted

if TYPE_CHECKING:
    from ...engine import Evaluator
    from ...engine.session import Needs


@dataclass(frozen=True)
class ScoringTask:
    """Scores texts.

    Attributes:
        file: the model file.
        prefix: the text before each of them.
        window: tokens in a window; None for the model's.
        stride: tokens from one window to the next; None for half a window.
        parallel: texts evaluated at once.
        threads: the number of threads; None for the engine's choice.
        offload: where the model's layers are wanted.
    """

    file: ModelFile
    prefix: str = ""
    window: int | None = None
    stride: int | None = None
    parallel: int = 1
    threads: int | None = None
    offload: Offload = AUTO

    @contextmanager
    def evaluator(self) -> "Iterator[Evaluator]":
        """Load the model; see `open_evaluator` for what is raised."""
        from ...engine import open_evaluator

        with open_evaluator(
            adapted(self.file),
            size=self.window,
            threads=self.threads,
            sequences=self.parallel,
            offload=self.offload,
        ) as evaluator:
            yield evaluator

    def needs(self) -> "Needs":
        """Return what a process needs."""
        from ...engine.session import evaluator_needs

        return evaluator_needs(adapted(self.file), self.offload)
