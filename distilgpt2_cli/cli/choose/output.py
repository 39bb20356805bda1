"""The output of ``distil choose``: a table of accuracies, JSON Lines, or a row for each choice."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...errors import DistilError
from ...models import ModelFile
from ...terminal import Terminal
from ..shared.csv_table import CsvTable
from ..shared.options import FormatOptions
from ..shared.record import model_record, placement_record, versions_record
from ..tasks.choose import Judged

if TYPE_CHECKING:
    from ...choosing.accuracies import Accuracy
    from ...engine import Placement

_FIRST = ("line", "kind")
_LAST = (
    "choice", "text", "is_gold", "tokens", "bytes", "logprob", "surprisal", "per_token", "per_byte",
    "hellaswag", "winogrande",
)  # fmt: skip
_RULES = {"per_token": "per token", "per_byte": "per byte"}
_HEADER = ("RULE", "ITEMS", "CORRECT", "ACCURACY", "95% INTERVAL", "CHANCE")


class Output:
    """Writes items as they are scored, and accuracies at the end.

    Attributes:
        accuracies: of the items so far.
    """

    def __init__(
        self, terminal: Terminal, options: FormatOptions, file: ModelFile, by: str | None
    ) -> None:
        """Write nothing yet.

        Args:
            terminal: where to.
            options: the format.
            file: the model file.
            by: the field by which items are grouped; None for no groups.
        """
        from ...choosing.accuracies import Accuracies

        self.accuracies = Accuracies(by)
        self._terminal = terminal
        self._options = options
        self._file = file
        self._by = by
        self._table: CsvTable | None = None
        self._names: list[str] = []  # of the columns that come from the items
        self._left_out: set[str] = set()

    def add(self, judged: Judged) -> None:
        """Count an item, and write it if the format has items."""
        self.accuracies.add(judged.item, judged.correct, cut=judged.cut > 0)
        if self._options.json:
            self._terminal.write_json(_item_record(judged))
        elif self._options.csv:
            self._write_rows(judged)

    def finish(self, placement: "Placement", *, interrupted: bool) -> None:
        """Write what is known of all items.

        Raises:
            DistilError: there were none.
        """
        found = self.accuracies
        if not found.items:
            raise DistilError("There are no items that can be scored.", "Use at least one.")
        rows = found.rows()
        if self._options.json:
            self._terminal.write_json(self._summary(rows, placement, interrupted))
        elif not self._options.csv:
            self._write_table(rows)
        if self._by is not None and all(row.group in (None, "-") for row in rows):
            self._terminal.notice(f'No item has the field "{self._by}".')
        if found.cut and not self._options.json:
            were = "context was" if found.cut == 1 else "contexts were"
            self._terminal.notice(f"{found.cut} {were} cut on the left to fit the context window.")

    def _write_rows(self, judged: Judged) -> None:
        extra = judged.item.extra
        if self._table is None:
            self._names = list(extra)
            self._table = CsvTable(self._terminal, (*_FIRST, *self._names, *_LAST))
        others = extra.keys() - {*self._names} - self._left_out
        if others:
            self._left_out |= others
            shown = ", ".join(f'"{name}"' for name in sorted(others))
            self._terminal.notice(
                f"Fields that the first item does not have are left out: {shown}. --json has them."
            )
        own = {name: extra.get(name) for name in self._names}
        first = {"line": judged.number, "kind": judged.item.kind}
        nothing = dict.fromkeys(_LAST)
        self._table.write(
            first | own | nothing | {"choice": number} | record
            for number, record in enumerate(_choice_records(judged))
        )

    def _summary(
        self, rows: "list[Accuracy]", placement: "Placement", interrupted: bool
    ) -> dict[str, Any]:
        from ...probing.statistics import LEVEL

        found = self.accuracies
        return {
            "accuracies": [_accuracy_record(row) for row in rows],
            "by": self._by,
            "items": found.items,
            "without_gold": found.without_gold,
            "cut_items": found.cut,
            "interrupted": interrupted,
            "statistics": {"level": LEVEL, "interval": "wilson"},
            "model": model_record(self._file),
            "placement": placement_record(placement),
            "warnings": list(placement.warnings),
            "versions": versions_record(),
        }

    def _write_table(self, rows: "list[Accuracy]") -> None:
        header: tuple[str, ...] = _HEADER
        cells = [_cells(row) for row in rows]
        if self._by is not None:
            header = (self._by.upper(), *_HEADER)
            cells = [
                ("all" if row.group is None else row.group, *rest)
                for row, rest in zip(rows, cells, strict=True)
            ]
        if rows:
            self._terminal.write_table(header, cells)
        if self.accuracies.without_gold:
            self._terminal.write_line(
                f"{self.accuracies.without_gold} of {self.accuracies.items} items don't say which"
                " choice is right; --json and --csv have their scores."
            )


def _cells(row: "Accuracy") -> tuple[str, ...]:
    return (
        _RULES.get(row.rule, row.rule),
        str(row.items),
        str(row.correct),
        f"{row.accuracy:.1%}",
        f"{row.interval.low:.1%} to {row.interval.high:.1%}",
        f"{row.chance:.1%}",
    )


def _item_record(judged: Judged) -> dict[str, Any]:
    item = judged.item
    return {
        "line": judged.number,
        **item.extra,
        "kind": item.kind,
        "context": item.context,
        "continuation": item.continuation,
        "gold": item.gold,
        "choices": list(_choice_records(judged)),
        "chosen": dict(judged.chosen),
        "correct": dict(judged.correct),
        "cut": judged.cut,
    }


def _choice_records(judged: Judged) -> Iterator[dict[str, Any]]:
    item = judged.item
    for number, score in enumerate(judged.scores):
        yield {
            "text": item.choices[number],
            "is_gold": None if item.gold is None else number == item.gold,
            "tokens": score.tokens,
            "bytes": score.byte_count,
            "surprisal": -score.logprob / math.log(2),
            **judged.figures[number],
        }


def _accuracy_record(row: "Accuracy") -> dict[str, Any]:
    return asdict(row) | {"interval": list(row.interval)}
