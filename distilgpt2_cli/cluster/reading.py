"""The rows of inputs, one after another, in constant memory."""

import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain

from ..errors import DistilError, NotUtf8Error, UsageError
from ..lines import MAX_LINE_BYTES, text_of_line
from ..tables import TableReader, wrong_cells
from .job import Inputs
from .json_rows import JsonRows
from .parquet_rows import ParquetRows
from .rows import Row
from .source import Source, UnreadableError

MAX_CELL = 2**26
"""The longest line, and cell, of a table as CSV, in bytes and in characters."""

_TOO_LONG = "Shorten it, or compute it alone."


class RowReader:
    """An iterator over the rows of inputs; it can be iterated over once.

    Rows are numbered from 1 over all inputs. Lines count also if they are empty, which are no rows;
    in tables, headers and empty lines do not count.

    Attributes:
        count: the number of the last row or line, once the iteration has ended, also by an error.
    """

    def __init__(self, inputs: Inputs) -> None:
        """Open nothing yet."""
        self.count = 0
        self._inputs = inputs
        self._finished = 0
        self._source: Source | None = None
        self._rows: Callable[[Source], Iterator[Row]] = {
            "text": self._of_lines,
            "jsonl": self._of_json,
            "csv": self._of_table,
            "parquet": self._of_parquet,
        }[inputs.format]

    @property
    def consumed(self) -> int:
        """The bytes of all inputs, compressed as they are, that were read so far."""
        return self._finished + (self._source.consumed if self._source else 0)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            DistilError: an input can't be read, has changed, or has other columns than the first
                one. All rows before that were yielded, but for those that are in the same damaged
                block of a compressed file.
        """
        for address, size in zip(self._inputs.addresses, self._inputs.sizes, strict=True):
            try:
                with closing(Source(address, size)) as self._source:
                    yield from self._rows(self._source)
            except UnreadableError as error:
                raise DistilError(
                    f"Can't read {address} after row {self.count}: {error}.", error.remedy
                ) from None
            except UsageError as error:  # a column that the first input had
                raise DistilError(
                    f"{error.what.removesuffix('.')} (after row {self.count}).",
                    "Make it like the first file, then go on with --resume.",
                ) from None
            self._source = None
            self._finished += size

    def _of_lines(self, source: Source) -> Iterator[Row]:
        number, first = self.count, True
        try:
            for block in source.lines(MAX_LINE_BYTES):
                texts = _texts(block, first)
                if texts is not None:
                    for text in texts:
                        number += 1
                        if text:
                            yield Row(number, text)
                else:
                    for line in _lines(block):
                        number += 1
                        try:
                            text = text_of_line(line, number, _TOO_LONG, first=first)
                            if text:
                                yield Row(number, text)
                        except DistilError as error:
                            yield Row(number, "", None, (error.what, error.remedy))
                        first = False
                first = False
        finally:
            self.count = number

    def _of_json(self, source: Source) -> Iterator[Row]:
        row_of = JsonRows(self._inputs.column or "", self._inputs.identifier).row
        for row in self._of_lines(source):
            yield row if row.problem else row_of(row.number, row.text)

    def _of_table(self, source: Source) -> Iterator[Row]:
        lines = TableLines(source)
        table = lines.table()
        if table is None:
            return
        place, identifier = table.place(self._inputs.column or ""), self._inputs.identifier
        id_place = None if identifier is None else table.place(identifier)
        width, longest, number = len(table.header), MAX_LINE_BYTES // 4, self.count
        try:
            for cells in table:
                number += 1
                if len(cells) != width:
                    error = wrong_cells(number, cells, table.header)
                    yield Row(number, "", None, (error.what, error.remedy))
                    continue
                text = cells[place]
                own = None if id_place is None else cells[id_place]
                if lines.damaged or len(text) > longest or (own and len(own) > longest):
                    yield _checked(Row(number, text, own))
                else:
                    yield Row(number, text, own)
        finally:
            self.count = number

    def _of_parquet(self, source: Source) -> Iterator[Row]:
        rows = ParquetRows(source, self._inputs.column or "", self._inputs.identifier)
        rows.check_type(self._inputs.identifier_type)
        longest, number = MAX_LINE_BYTES // 4, self.count
        try:
            for text, identifier in rows:
                number += 1
                if text is None:
                    problem = ("Its text is null.", "Give it a text, or leave out the row.")
                    yield Row(number, "", identifier, problem)
                elif (
                    rows.damaged
                    or len(text) > longest
                    or (isinstance(identifier, str) and len(identifier) > longest)
                ):
                    yield _checked(Row(number, text, identifier))
                else:
                    yield Row(number, text, identifier)
        finally:
            self.count = number


class TableLines:
    """The lines of a table as CSV.

    Attributes:
        damaged: whether there were bytes that are not UTF-8, which are lone surrogates since.
    """

    def __init__(self, source: Source) -> None:
        """Open nothing yet."""
        self.damaged = False
        self._source = source

    def table(self) -> TableReader | None:
        """Read the header, and return what reads the rows; None if the file has no bytes.

        Raises:
            UnreadableError: the file can't be read; the table may raise it, too.
            DistilError: it is not CSV with a header; the table may raise it, too.
        """
        lines = self._lines()
        first = next(lines, None)
        if first is None:
            return None
        return TableReader(chain([first], lines), self._source.address, MAX_CELL)

    def _lines(self) -> Iterator[str]:
        first = True
        for block in self._source.lines(MAX_CELL):
            if block is None:
                raise UnreadableError(
                    f"a line is longer than {MAX_CELL} bytes", "Make it shorter, and begin again."
                )
            data = block.removeprefix(codecs.BOM_UTF8) if first else block
            first = False
            try:
                text = data.decode()
            except UnicodeDecodeError:
                text = data.decode(errors="surrogateescape")
                self.damaged = True
            yield from io.StringIO(text, newline="\n")


def _texts(block: bytes | None, first: bool) -> list[str] | None:
    """Return the texts of the lines of a block at once; None if one of them needs a closer look."""
    if block is None:
        return None
    try:
        text = (block.removeprefix(codecs.BOM_UTF8) if first else block).decode()
    except UnicodeDecodeError:
        return None
    texts = text.replace("\r\n", "\n").split("\n")
    if not texts[-1]:
        del texts[-1]  # what follows the last line end
    return texts


def _lines(block: bytes | None) -> list[bytes] | list[None]:
    return [None] if block is None else io.BytesIO(block).readlines()


def _checked(row: Row) -> Row:
    """Return a row, with a problem if its text or its identifier is too long, or not UTF-8."""
    for what, value in (("identifier", row.identifier), ("text", row.text)):
        if not isinstance(value, str):
            continue
        source = f"The {what} of row {row.number}"
        data = value.encode(errors="surrogateescape")
        error: DistilError | None = None
        try:
            data.decode()
        except UnicodeDecodeError as wrong:
            error = NotUtf8Error(source, wrong)
        else:
            if len(data) > MAX_LINE_BYTES:
                long = f"{source} is longer than {MAX_LINE_BYTES} bytes."
                error = DistilError(long, _TOO_LONG)
        if error:
            kept = None if what == "identifier" else row.identifier
            return Row(row.number, "", kept, (error.what, error.remedy))
    return row
