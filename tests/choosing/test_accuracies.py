"""Which choice is the most likely one, and how often that is right."""

from typing import Any

from distilgpt2_cli.choosing.accuracies import Accuracies, figures_of, is_correct, most_likely
from distilgpt2_cli.choosing.items import Item
from distilgpt2_cli.engine.evaluate.choices import ChoiceScore
from distilgpt2_cli.probing.statistics import wilson

FIGURES = [{"logprob": -3.0, "per_token": -1.0}, {"logprob": -2.0, "per_token": -2.0}]


def item(gold: int | None, **extra: Any) -> Item:
    return Item("choices", "a", ("b", "c"), gold, extra=extra)


def test_each_rule_has_its_own_choice() -> None:
    assert [most_likely(FIGURES, rule) for rule in ("logprob", "per_token")] == [1, 0]
    assert is_correct(item(1), FIGURES, "logprob")
    assert not is_correct(item(1), FIGURES, "per_token")
    assert is_correct(item(None), FIGURES, "logprob") is None


def test_a_tie_is_not_right() -> None:
    equal = [{"logprob": -1.0}] * 2
    assert most_likely(equal, "logprob") == 0
    assert [is_correct(item(gold), equal, "logprob") for gold in (0, 1)] == [False, False]


def test_figures_of_each_kind() -> None:
    score = ChoiceScore(4, 8, -12.0, -2.5, -3.5)
    rules = {"logprob": -12.0, "per_token": -3.0, "per_byte": -1.5}
    assert figures_of(item(0), score) == rules | {"hellaswag": -2.5}
    assert figures_of(Item("blank", "a", ("b", "c"), 0, "d"), score) == rules | {"winogrande": -3.5}
    assert figures_of(Item("pair", "", ("b", "c"), 0), score) == rules


def test_groups() -> None:
    counted = Accuracies("kind of")
    for gold, right, group in ((0, True, "x"), (1, False, "y"), (1, True, "x"), (None, None, "x")):
        counted.add(item(gold, **{"kind of": group}), {"logprob": right}, cut=right is False)
    counted.add(item(0), {"logprob": True}, cut=False)
    counted.add(item(0, **{"kind of": [1, "é"]}), {"logprob": False}, cut=False)
    rows = counted.rows()
    assert [(row.group, row.items, row.correct) for row in rows] == [
        ("x", 2, 2), ("y", 1, 0), ("-", 1, 1), ('[1, "é"]', 1, 0), (None, 5, 3),
    ]  # fmt: skip
    assert rows[-1].accuracy == 0.6
    assert rows[-1].interval == wilson(3, 5)
    assert rows[-1].chance == 0.5
    assert (counted.items, counted.without_gold, counted.cut) == (6, 1, 1)


def test_no_groups() -> None:
    counted = Accuracies(None)
    counted.add(item(0, x=1), {"logprob": True, "per_byte": False}, cut=False)
    assert [(row.group, row.rule, row.accuracy) for row in counted.rows()] == [
        (None, "logprob", 1), (None, "per_byte", 0),
    ]  # fmt: skip
