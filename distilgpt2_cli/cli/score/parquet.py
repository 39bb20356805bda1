"""Tables in Apache Parquet, through pyarrow."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ..shared.extras import check_extra

_GROUP = 2**16  # rows
_KINDS = (type(None), int, float, str)  # each of them can hold the values of those before it


def check_parquet() -> None:
    """Make sure that pyarrow is installed.

    Raises:
        DistilError: it is not.
    """
    check_extra("parquet", "A .parquet file", ["pyarrow"], ["pyarrow"])


def kinds(parts: Iterable[Sequence[Sequence[Any]]], columns: int) -> list[type]:
    """Return the type of each column: the first of int, float and str that holds all its values."""
    found = [0] * columns
    for rows in parts:
        for row in rows:
            for place, value in enumerate(row):
                found[place] = max(found[place], _KINDS.index(type(value)))
    return [_KINDS[kind] for kind in found]


class ParquetFile:
    """A table in a new file. Close it, or use it as a context manager."""

    def __init__(
        self, path: Path, columns: Sequence[str], types: Sequence[type], about: str
    ) -> None:
        """Write the header.

        Args:
            path: of the file.
            columns: the names of the columns.
            types: of the columns, as `kinds` gives them.
            about: what the table is made of, for the file's metadata (key ``distil``).

        Raises:
            OSError: the file can't be written.
        """
        import pyarrow
        from pyarrow import parquet

        known: Any = {
            type(None): pyarrow.float64(),
            int: pyarrow.int64(),
            float: pyarrow.float64(),
            str: pyarrow.string(),
        }
        fields = [(name, known[kind]) for name, kind in zip(columns, types, strict=True)]
        self._types = types
        self._schema = pyarrow.schema(fields, metadata={"distil": about})
        self._batch = pyarrow.RecordBatch
        self._array = pyarrow.array
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._waiting: list[Sequence[Any]] = []

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows, many of them together.

        Raises:
            OSError: they can't be written.
        """
        self._waiting += rows
        if len(self._waiting) >= _GROUP:
            self._write_group()

    def _write_group(self) -> None:
        arrays = [
            self._array([_as(kind, row[place]) for row in self._waiting], field.type)
            for place, (kind, field) in enumerate(zip(self._types, self._schema, strict=True))
        ]
        self._writer.write_batch(self._batch.from_arrays(arrays, schema=self._schema))
        self._waiting = []

    def __enter__(self) -> "ParquetFile":
        """Return the file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the end of the file."""
        if self._waiting and not error:
            self._write_group()
        self._writer.close()


def _as(kind: type, value: Any) -> Any:
    return value if value is None else kind(value)
