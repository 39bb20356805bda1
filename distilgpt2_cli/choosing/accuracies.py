"""How often the right choice is the most likely one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.evaluate.choices import ChoiceScore
from ..probing.statistics import Interval, wilson
from .items import Item

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Accuracy:
    """How often the right choice is the most likely one, by one rule.

    Attributes:
        group: the value of the field that items are grouped by, as text; None for all items.
        rule: what makes a choice the most likely one.
        items: how many there are whose right choice is known.
        correct: in how many of them the right choice is more likely than each other one.
        accuracy: ``correct`` divided by ``items``.
        interval: of ``accuracy``.
        chance: what a random choice would reach on average.
    """

    group: str | None
    rule: str
    items: int
    correct: int
    accuracy: float
    interval: Interval
    chance: float


def figures_of(item: Item, score: ChoiceScore) -> dict[str, float]:
    """Return the figures of a choice by the rule that compares them, in nats."""
    figures: dict[str, float | None] = {
        "logprob": score.logprob,
        "per_token": score.per_token,
        "per_byte": score.per_byte,
        "hellaswag": score.after_shared,
        "winogrande": score.after_option,
    }
    return {rule: value for rule in item.rules if (value := figures[rule]) is not None}


def most_likely(figures: Sequence[Figures], rule: str) -> int:
    """Return the choice that is the most likely by a rule; of equal ones the first."""
    values = [each[rule] for each in figures]
    return values.index(max(values))


def is_correct(item: Item, figures: Sequence[Figures], rule: str) -> bool | None:
    """Return whether the right choice is more likely than each other one; None if unknown."""
    if item.gold is None:
        return None
    gold = figures[item.gold][rule]
    return all(each[rule] < gold for at, each in enumerate(figures) if at != item.gold)


class _Count:
    """The items of a group, by one rule."""

    def __init__(self) -> None:
        self.items = self.correct = 0
        self.chance = 0.0

    def add(self, item: Item, correct: bool) -> None:
        self.items += 1
        self.correct += correct
        self.chance += 1 / len(item.choices)


class Accuracies:
    """Counts right choices; only the number of groups takes memory.

    Attributes:
        items: how many were counted.
        without_gold: in how many of them nobody says which choice is right.
        cut: in how many of them the context was too long, and lost its beginning.
    """

    def __init__(self, by: str | None) -> None:
        """Group the items by a field, or not at all."""
        self.items = self.without_gold = self.cut = 0
        self._by = by
        self._counts: dict[tuple[str | None, str], _Count] = {}

    def add(self, item: Item, correct: Mapping[str, bool | None], *, cut: bool) -> None:
        """Count an item."""
        self.items += 1
        self.cut += cut
        self.without_gold += item.gold is None
        groups = [None] if self._by is None else [_group(item.extra, self._by), None]
        for rule, is_right in correct.items():
            for group in groups:
                if is_right is not None:
                    self._counts.setdefault((group, rule), _Count()).add(item, is_right)

    def rows(self) -> list[Accuracy]:
        """Return the accuracies of each group in the order of the items, and last of all items."""
        groups = [group for group, _ in self._counts if group is not None]
        ordered = [*dict.fromkeys(groups), None]
        return [
            Accuracy(
                group,
                rule,
                count.items,
                count.correct,
                count.correct / count.items,
                wilson(count.correct, count.items),
                count.chance / count.items,
            )
            for wanted in ordered
            for (group, rule), count in self._counts.items()
            if group == wanted
        ]


def _group(extra: Mapping[str, Any], by: str) -> str:
    """Return the name of a group: a text as it is, anything else as JSON, and nothing as "-"."""
    value = extra.get(by)
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
