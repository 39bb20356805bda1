"""The choices of items, scored."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ...engine.llama.placement import AUTO, Offload, Placement
from .lines import Failure, Text, in_groups

if TYPE_CHECKING:
    from ...choosing.items import Item
    from ...engine import Evaluator
    from ...engine.evaluate.choices import ChoiceScore, TokenizedItem
    from ...engine.session import Needs


class Judged(NamedTuple):
    """An item whose choices are scored.

    Attributes:
        number: of its line, from 1.
        item: the item.
        scores: one for each choice.
        figures: for each choice its figure by each rule, in nats.
        chosen: the most likely choice by each rule.
        correct: whether that is the right one; None if nobody says which is.
        cut: how many tokens of the context did not fit.
    """

    number: int
    item: "Item"
    scores: "list[ChoiceScore]"
    figures: list[dict[str, float]]
    chosen: Mapping[str, int]
    correct: Mapping[str, bool | None]
    cut: int


@dataclass(frozen=True)
class ChooseTask:
    """Scores the choices of items.

    Attributes:
        path: the model file, maybe with adapters.
        delimiter: what stands between a context and a choice without white space there.
        parallel: choices evaluated at once.
        threads: the number of threads; None for one, which short texts are quickest with.
        offload: where the model's layers are wanted.
    """

    path: os.PathLike[str]
    delimiter: str = " "
    parallel: int = 1
    threads: int | None = None
    offload: Offload = AUTO

    @contextmanager
    def open(self) -> "Iterator[ChooseWork]":
        """Load the model; see `open_evaluator` for what is raised."""
        from ...engine import open_evaluator

        with open_evaluator(
            self.path, threads=self.threads or 1, sequences=self.parallel, offload=self.offload
        ) as evaluator:
            yield ChooseWork(self, evaluator)

    def needs(self) -> "Needs":
        """Return what a process needs."""
        from ...engine.session import evaluator_needs

        return evaluator_needs(self.path, self.offload)

    def for_worker(self, threads: int) -> "ChooseTask":
        """Return the same for a process beside others."""
        return replace(self, threads=threads)


class ChooseWork:
    """Scores choices with an evaluator."""

    def __init__(self, task: ChooseTask, evaluator: "Evaluator") -> None:
        """Use the evaluator of the task."""
        from ...engine.evaluate.choices import ChoiceScorer

        self._task = task
        self._evaluator = evaluator
        self._scorer = ChoiceScorer(evaluator)

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self._evaluator.placement

    def results(self, items: Iterable[Text]) -> Iterator[Judged | Failure]:
        """Yield the items of lines of JSON with their scores."""
        for result in in_groups(items, self._prepared, self._scored, self._task.parallel):
            if isinstance(result, Failure):
                yield result
            else:
                text, (item, tokens), scores = result
                yield _judged(text.number, item, scores, tokens.cut)

    def interrupted(self) -> Iterator[Judged | Failure]:
        """Yield nothing: an item has all of its scores or none."""
        return iter(())

    def _prepared(self, line: str) -> "tuple[Item, TokenizedItem]":
        from ...choosing.parsing import parse_item

        item = parse_item(line)
        return item, self._scorer.tokens(item.scored(self._task.delimiter))

    def _scored(
        self, prepared: "list[tuple[Item, TokenizedItem]]"
    ) -> "Iterator[list[ChoiceScore]]":
        return self._scorer.score_together([tokens for _, tokens in prepared])


def _judged(number: int, item: "Item", scores: "list[ChoiceScore]", cut: int) -> Judged:
    from ...choosing.accuracies import figures_of, is_correct, most_likely

    figures = [figures_of(item, score) for score in scores]
    return Judged(
        number,
        item,
        scores,
        figures,
        {rule: most_likely(figures, rule) for rule in item.rules},
        {rule: is_correct(item, figures, rule) for rule in item.rules},
        cut,
    )
