"""How many cases a test tries: all of them in ``make fuzz``, and some that stand for them else."""

import os
from collections.abc import Sequence
from typing import TypeVar

ALL_CASES = os.environ.get("DISTIL_ALL_CASES") == "1"

_Case = TypeVar("_Case")


def cases(some: Sequence[_Case], others: Sequence[_Case]) -> list[_Case]:
    """Return those that are always tried, and the others where all are."""
    return [*some, *(others if ALL_CASES else ())]
