"""What a run computes, from where to where."""

from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from .rows import RowTask

Format = Literal["text", "jsonl", "csv", "parquet"]


@dataclass(frozen=True)
class Inputs:
    """Where rows come from.

    Attributes:
        addresses: paths, or URLs that pyarrow or fsspec opens, of files of one format, in order.
        sizes: of each, in bytes.
        format: of all of them.
        column: the column with the texts; None for lines of text.
        identifier: the column with the rows' identifiers; None without one.
        identifier_type: of that column in Parquet results, by Arrow's name: that of the first
            input if it is Parquet, and otherwise text, so that all parts have the same schema.
    """

    addresses: tuple[str, ...]
    sizes: tuple[int, ...]
    format: Format
    column: str | None = None
    identifier: str | None = None
    identifier_type: str = "string"


@dataclass(frozen=True)
class Job:
    """A run.

    Attributes:
        task: what is computed of each row.
        inputs: where the rows come from.
        output: the address of the folder for the results.
        format: of the results.
        part_rows: how many rows a part has: a little more where a chunk ends later, fewer where
            they are long. The results do not depend on it, only how they are divided into files.
        number: the name of the column with the number of the row.
    """

    task: RowTask
    inputs: Inputs
    output: str
    format: Format
    part_rows: int
    number: str


@dataclass(frozen=True)
class Cluster:
    """Who computes.

    Attributes:
        address: of a running Ray cluster; None for this machine alone.
        workers: how many actors at most; None for as many as there are cores and memory for.
        threads: of each actor.
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was computed of rows.

    Attributes:
        rows: of the input, with those that were refused.
        results: rows of the output; there may be several of a row.
        failures: rows that were refused.
        tokens: evaluated and drawn.
        empty: lines without a text.
        cut: rows with results of the end of their text only.
    """

    rows: int = 0
    results: int = 0
    failures: int = 0
    tokens: int = 0
    empty: int = 0
    cut: int = 0

    @property
    def by_name(self) -> dict[str, int]:
        """The counts alone, also of what has more."""
        return {each.name: getattr(self, each.name) for each in fields(Counts)}

    def __add__(self, other: "Counts") -> "Counts":
        """Return the sums."""
        more = other.by_name
        return Counts(**{name: count + more[name] for name, count in self.by_name.items()})


@dataclass(frozen=True, kw_only=True)
class Done(Counts):
    """A part that is committed.

    Attributes:
        number: from 0.
        size: bytes of the input.
        seconds: of computing it; 0 if an earlier run has done so.
        again: whether an earlier run has committed it.
        processor: the features of the processor that computed it, or has found it, by llama.cpp's
            names: they have an influence on the last digits.
    """

    number: int
    size: int
    seconds: float = 0.0
    again: bool = False
    processor: str = ""


class Request(NamedTuple):
    """What the process that is connected to Ray does.

    Attributes:
        job: from where to where.
        cluster: who computes it.
        token: of the output folder, as `OutputFolder.begin` gave it.
        memory: bytes that each actor needs.
    """

    job: Job
    cluster: Cluster
    token: str
    memory: int


Message = tuple[Literal["done", "notice", "error", "lost", "end"], Any]
"""What it sends: a part, as `Done`; a sentence for a person; and as the last message a
`DistilError`, a clause that says why Ray gave up, so that another pass may begin, or the end."""
