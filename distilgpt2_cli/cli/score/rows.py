"""Where the rows of words go: standard output, or a file that a later run can complete."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ...errors import DistilError
from ...files import check_new_file, new_file
from ...growing_file import GrowingFile, open_growing_file
from ...tables import csv_header, csv_line
from ..tasks.words import Row
from .parquet import ParquetFile, kinds

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
Format = Literal["text", "csv", "json"]


def write_lines(
    write: Callable[[str], object], form: str, columns: Sequence[str]
) -> Callable[[Iterable[Row]], None]:
    """Write the header of a format of lines, if it has one, and return what writes rows.

    Args:
        write: takes lines.
        form: ``csv``, ``tsv`` or ``jsonl``.
        columns: the names of the columns.
    """

    def write_records(rows: Iterable[Row]) -> None:
        records = (dict(zip(columns, row, strict=True)) for row in rows)
        write("".join(json.dumps(record, allow_nan=False) + "\n" for record in records))

    def write_cells(rows: Iterable[Row]) -> None:
        write("".join(csv_line(row, separator) for row in rows))

    if form == "jsonl":
        return write_records
    separator = "\t" if form == "tsv" else ","
    write(csv_header(columns, separator))
    return write_cells


class ResumableTable:
    """A table whose rows are kept in a file beside it until it is complete.

    That file, whose name ends in ``.part``, has a line of JSON for each part of the work: how far
    it has come, with the rows. Its first line says what it is made of.

    Attributes:
        path: of the table.
        part: of the file beside it.
        done: how far an earlier run has come, as it was noted; None if there was none.
    """

    def __init__(self, path: Path, *, force: bool, resume: bool) -> None:
        """Make sure that the file can be written.

        Raises:
            UsageError: its name has another ending.
            DistilError: it, or the part of an earlier run, exists and may not be replaced.
        """
        check_new_file(path, ENDINGS, force=force)
        self.path = path
        self.part = path.with_name(f"{path.name}.part")
        self.done: Mapping[str, Any] | None = None
        self._force = force
        self._resume = resume
        if self.part.exists() and not (force or resume):
            raise DistilError(
                f"{self.part} is there: an earlier run did not complete {path}.",
                "Go on with it with --resume, or begin anew with --force.",
            )

    @contextmanager
    def opened(self, made_of: Mapping[str, Any], columns: Sequence[str]) -> "Iterator[TablePart]":
        """Open the part; when the block ends without an error, the table is made of it.

        Args:
            made_of: all that the rows depend on.
            columns: the names of the columns.

        Raises:
            DistilError: the part is made of something else, or can't be written.
        """
        with open_growing_file(self.part, force=self._force, resume=self._resume) as file:
            part = TablePart(file)
            self.done = part.begin(json.loads(json.dumps(made_of)), resume=self._resume)
            yield part
        self._complete(columns)
        self.part.unlink()

    def _complete(self, columns: Sequence[str]) -> None:
        form = self.path.suffix.removeprefix(".")
        with new_file(self.path, force=self._force) as path:
            if form == "parquet":
                types = kinds(self._rows(), len(columns))
                with ParquetFile(path, columns, types, self._made_of()) as table:
                    for rows in self._rows():
                        table.write(rows)
                return
            with path.open("w", encoding="utf-8", newline="") as file:
                write = write_lines(file.write, form, columns)
                for rows in self._rows():
                    write(rows)

    def _rows(self) -> Iterator[Sequence[Row]]:
        with self.part.open(encoding="utf-8") as file:
            file.readline()
            for line in file:
                yield json.loads(line)["rows"]

    def _made_of(self) -> str:
        with self.part.open(encoding="utf-8") as file:
            return file.readline().rstrip("\n")


class TablePart:
    """The part of a table, to which rows are added."""

    def __init__(self, file: GrowingFile) -> None:
        """Add to an open file."""
        self._file = file

    def begin(self, made_of: Mapping[str, Any], *, resume: bool) -> Mapping[str, Any] | None:
        """Go on after what is there, and return how far it has come; or begin with the first line.

        Raises:
            DistilError: what is there is made of something else.
        """
        first = done = None
        for line in self._file.lines() if resume else ():
            known = _known(line)
            if known is None or (first is None and known != made_of):
                raise DistilError(
                    f"{self._file.path} was made with another input, model, version or options.",
                    "Use the same ones to go on with it, or begin anew with --force.",
                )
            if first is None:
                first = known
            else:
                done = known
        self._file.begin()
        if first is None:
            self._file.write(json.dumps(made_of) + "\n")
        return done

    def add(self, rows: Sequence[Row], done: Mapping[str, Any]) -> None:
        """Write rows, and how far the work has come with them.

        Raises:
            DistilError: they can't be written.
        """
        self._file.write(json.dumps({"done": done, "rows": rows}, allow_nan=False) + "\n")


def _known(line: bytes) -> Any:
    """Return what a line was made of, or how far the work had come with it; None for another."""
    try:
        record = json.loads(line)
        return record.get("done", record)
    except (ValueError, AttributeError):
        return None
