"""How results are written: as text, JSON Lines, CSV or Parquet."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..tables import csv_header, csv_line
from .job import Format, Job
from .rows import Column, Computed, Identifier
from .storage import NewFile

ENDINGS: Mapping[Format, str] = {
    "text": ".txt",
    "jsonl": ".jsonl",
    "csv": ".csv",
    "parquet": ".parquet",
}
"""What the names of files with results end with."""

ERROR, REMEDY, TEXT = "error", "remedy", "text"
"""What is said of a row without results, besides its number and identifier."""

_GROUP_ROWS, _GROUP_VALUES = 2**16, 2**24  # of a group of rows of Parquet; of numbers or characters


@dataclass(frozen=True)
class Layout:
    """What the files of results have of each result.

    Attributes:
        format: of the files.
        number: the name of the column with the number of the row.
        identifier: the name of the column with its identifier; None without one.
        identifier_type: of that column in Parquet, by Arrow's name.
        columns: what is computed.
    """

    format: Format
    number: str
    identifier: str | None
    identifier_type: str
    columns: tuple[Column, ...]


def layout_of(job: Job) -> Layout:
    """Return how the results of a run are written.

    Raises:
        UsageError: the identifiers have the name of another column.
    """
    columns, identifier = tuple(job.task.columns), job.inputs.identifier
    taken = {job.number, ERROR, REMEDY, TEXT}
    taken.update(column.path[0] if job.format == "jsonl" else column.name for column in columns)
    if identifier in taken:
        raise UsageError(
            f"The column with identifiers can't be named {identifier}, as another one of the"
            " results is.",
            "Rename it in the input.",
        )
    return Layout(job.format, job.number, identifier, job.inputs.identifier_type, columns)


class Results(ABC):
    """Writes the results of a part to a file."""

    def __init__(self, layout: Layout, file: NewFile) -> None:
        """Write what stands before the results."""
        self._layout = layout
        self._file = file

    @abstractmethod
    def add(self, computed: Computed, identifier: Identifier) -> None:
        """Write what was computed of a row, and its identifier if there are any.

        Raises:
            DistilError: it can't be written.
        """

    @abstractmethod
    def finish(self) -> None:
        """Write the end.

        Raises:
            DistilError: it can't be written.
        """


def results(layout: Layout, file: NewFile) -> Results:
    """Return what writes results to a new file.

    Raises:
        DistilError: it can't be written.
    """
    kinds: Mapping[Format, type[Results]] = {
        "text": _TextResults,
        "jsonl": _JsonResults,
        "csv": _CsvResults,
        "parquet": _ParquetResults,
    }
    return kinds[layout.format](layout, file)


def json_line(record: Any) -> bytes:
    """Return a line of JSON, with null for numbers that JSON does not have."""
    try:
        text = json.dumps(record, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(record), allow_nan=False)
    return text.encode() + b"\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


class _LineResults(Results):
    def finish(self) -> None:
        pass  # each line is complete


class _TextResults(_LineResults):
    def add(self, computed: Computed, identifier: Identifier) -> None:  # noqa: ARG002
        self._file.write(computed.line.encode())


class _JsonResults(_LineResults):
    def add(self, computed: Computed, identifier: Identifier) -> None:
        layout = self._layout
        record: dict[str, Any] = {layout.number: computed.number}
        if layout.identifier is not None:
            record[layout.identifier] = identifier
        for column, value in zip(layout.columns, computed.values, strict=True):
            inside = record
            for name in column.path[:-1]:
                inside = inside.setdefault(name, {})
            inside[column.path[-1]] = value
        self._file.write(json_line(record))


class _CsvResults(_LineResults):
    def __init__(self, layout: Layout, file: NewFile) -> None:
        super().__init__(layout, file)
        own = [] if layout.identifier is None else [layout.identifier]
        names = [layout.number, *own, *(column.name for column in layout.columns)]
        file.write(csv_header(names).encode())

    def add(self, computed: Computed, identifier: Identifier) -> None:
        own = [] if self._layout.identifier is None else [identifier]
        values = map(_cell, self._layout.columns, computed.values)
        self._file.write(csv_line([computed.number, *own, *values]).encode())


def _cell(column: Column, value: Any) -> Any:
    """Return a value as a cell, with spaces between numbers and semicolons between lists."""
    if value is None or column.kind in ("integer", "number", "text"):
        return value
    lists = value if column.kind == "lists of numbers" else [value]
    return ";".join(" ".join(map(str, each)) for each in lists)


class _ParquetResults(Results):
    """A file in Apache Parquet.

    All parts have the same schema, whatever their rows have: that of the columns, and for
    identifiers the type of `Inputs.identifier_type`; identifiers in CSV and JSON Lines, which can
    be of another type in each row, become texts, as JSON has them.
    """

    def __init__(self, layout: Layout, file: NewFile) -> None:
        super().__init__(layout, file)
        import pyarrow
        from pyarrow import parquet

        types: Mapping[str, Any] = {
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "text": pyarrow.string(),
            "numbers": pyarrow.list_(pyarrow.float32()),
            "lists of numbers": pyarrow.list_(pyarrow.list_(pyarrow.float32())),
        }
        fields = [(layout.number, pyarrow.int64())]
        if layout.identifier is not None:
            kind = pyarrow.type_for_alias(layout.identifier_type)
            fields.append((layout.identifier, kind))
        fields += [(column.name, types[column.kind]) for column in layout.columns]
        self._schema = pyarrow.schema(fields)
        self._sink = pyarrow.PythonFile(file, mode="w")
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Sequence[Any]] = []
        self._size = 0

    def add(self, computed: Computed, identifier: Identifier) -> None:
        layout = self._layout
        row: list[Any] = [computed.number]
        if layout.identifier is not None:
            is_text = layout.identifier_type != "string" or isinstance(identifier, str | None)
            row.append(identifier if is_text else json.dumps(identifier))
        self._waiting.append([*row, *computed.values])
        self._size += sum(map(_size, computed.values))
        if len(self._waiting) >= _GROUP_ROWS or self._size >= _GROUP_VALUES:
            self._write_group()

    def finish(self) -> None:
        if self._waiting:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        import pyarrow

        arrays = [
            pyarrow.array([row[place] for row in self._waiting], field.type)
            for place, field in enumerate(self._schema)
        ]
        self._writer.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._waiting, self._size = [], 0


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 1
