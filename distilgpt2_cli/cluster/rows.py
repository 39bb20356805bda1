"""Rows of the input, what is computed of them, and who computes it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from ..workers.tasks import Work

Identifier = str | int | float | bool | None
Kind = Literal["integer", "number", "text", "numbers", "lists of numbers"]


class Row(NamedTuple):
    """A row of the input.

    Attributes:
        number: from 1, over all inputs; lines without a text count too.
        text: what is in its column, or on its line; empty where there is a problem.
        identifier: the value of the column with identifiers; None without one.
        problem: why there is no text, and what to do, as the two sentences of a `DistilError`;
            None if there is one.
    """

    number: int
    text: str
    identifier: Identifier = None
    problem: tuple[str, str] | None = None


class Column(NamedTuple):
    """A column of the output.

    Attributes:
        name: in tables.
        kind: of its values, each of which may also be None.
        path: the names that lead to it in an object of JSON.
    """

    name: str
    kind: Kind
    path: tuple[str, ...]


class Computed(NamedTuple):
    """What was computed of a row; there may be several of one.

    Attributes:
        number: of the row.
        values: one for each column of the task.
        line: the same as text: a line with its end, or several.
        tokens: how many were evaluated and drawn for it.
        cut: whether the beginning of its text was left out, for want of room in the context window.
    """

    number: int
    values: Sequence[Any]
    line: str
    tokens: int
    cut: bool = False


class Refused(NamedTuple):
    """A row of which nothing could be computed.

    Attributes:
        number: of the row.
        problem: as in `Row`.
    """

    number: int
    problem: tuple[str, str]


class RowTask(Protocol):
    """What to compute of each row: a small value that can be pickled."""

    @property
    def columns(self) -> Sequence[Column]:
        """What is computed, without the number and the identifier of the row."""

    @property
    def chunk_texts(self) -> int:
        """How many texts a chunk has at most; see `workers.chunks`."""

    @property
    def files(self) -> Mapping[Path, str | None]:
        """The files that it loads, each with its SHA-256, None where nobody knows it yet."""

    @property
    def threads(self) -> int:
        """The threads of a process that computes it."""

    @property
    def memory(self) -> int:
        """The bytes of memory that such a process needs."""

    def moved(self, places: Mapping[Path, Path]) -> "RowTask":
        """Return the same with its files at other places."""

    def item(self, row: Row, place: int) -> Any:
        """Return what the opened task takes for a row: ``place`` is its number among the texts."""

    def open(self) -> AbstractContextManager[Work[Any, Computed | Refused]]:
        """Load the model, and free it when the block ends.

        What is opened gets the items of one chunk at a time, and gives their results in order.
        """
