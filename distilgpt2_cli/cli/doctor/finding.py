"""What a check of ``distil doctor`` has found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...errors import DistilError
from ..shared.errors import sentences

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """The finding of a check.

    Attributes:
        name: of the check.
        state: ``problem`` if ``distil generate`` would fail because of it.
        text: the finding, for a person.
        remedy: what to do; empty for nothing.
        facts: the finding, for a program.
    """

    name: str
    state: State
    text: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "check": self.name,
            "state": self.state,
            "text": self.text,
            "remedy": self.remedy or None,
            "facts": self.facts,
        }


def failed(name: str, state: State, *errors: DistilError, **facts: Any) -> Finding:
    """Return the finding of a check that came to errors."""
    texts, remedies = zip(*map(sentences, errors), strict=True)
    return Finding(name, state, " ".join(texts), " ".join(dict.fromkeys(remedies)), facts)
