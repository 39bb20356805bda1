"""Items with several choices, of which the most likely one is looked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..engine.evaluate.choices import Choice

Kind = Literal["choices", "blank", "pair"]

REMEDY = 'Write it like {"context": "...", "choices": ["...", "..."], "gold": 0}.'

RESULTS = (
    "line", "kind", "context", "choices", "continuation", "gold", "chosen", "correct", "cut",
    "choice", "text", "is_gold", "tokens", "bytes", "logprob", "surprisal", "per_token", "per_byte",
    "hellaswag", "winogrande", "accuracies",
)  # fmt: skip
"""What the results of an item are called, beside what its line says."""


@dataclass(frozen=True)
class Item:
    """A text with several choices.

    Attributes:
        kind: "choices" if they continue the context, "blank" if they stand before the continuation,
            and "pair" for a good sentence and a bad one.
        context: the text before the choices.
        choices: two or more, none of them empty.
        gold: which of them is right, from 0; None if nobody says.
        continuation: the text after a blank.
        extra: what else the line says, by name: values of JSON.
    """

    kind: Kind
    context: str
    choices: tuple[str, ...]
    gold: int | None
    continuation: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules by which a choice can be the most likely one."""
        own = {"choices": ("hellaswag",), "blank": ("winogrande",), "pair": ()}
        return ("logprob", "per_token", "per_byte", *own[self.kind])

    def scored(self, delimiter: str) -> list[Choice]:
        """Return what is scored; the delimiter stands before a choice where no white space does."""
        if self.kind == "blank":
            size = len(self.continuation.encode())
            return [Choice(self.context + each, self.continuation, size) for each in self.choices]
        return [
            Choice(self.context, self._gap(each, delimiter) + each, len(each.encode()))
            for each in self.choices
        ]

    def _gap(self, choice: str, delimiter: str) -> str:
        is_open = self.context and not (self.context[-1].isspace() or choice[0].isspace())
        return delimiter if is_open else ""
