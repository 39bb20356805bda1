"""Rows of files in Apache Parquet."""

import uuid
from collections.abc import Iterator
from typing import Any

from ..errors import DistilError, UsageError
from ..tables import no_column
from .rows import Identifier
from .source import Source

_BATCH_BYTES, _BATCH_ROWS = 2**22, 2**13


class ParquetRows:
    """Reads the text and the identifier of each row, and nothing else of a file.

    Attributes:
        identifier_type: how identifiers are written to Parquet, by Arrow's name; see `_type_name`.
        damaged: whether there were texts that are not UTF-8, with lone surrogates since.
    """

    def __init__(self, source: Source, column: str, identifier: str | None) -> None:
        """Read the schema.

        Args:
            source: a file.
            column: with the texts.
            identifier: the column with identifiers; None without one.

        Raises:
            UnreadableError: the file can't be read, or is damaged.
            DistilError: it has two columns of the same name.
            UsageError: it does not have one of the columns, or of another type.
        """
        from pyarrow import parquet

        self.damaged = False
        self._source = source
        self._column = column
        self._identifier = identifier
        file = source.random_access()
        try:
            self._file = parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BATCH_BYTES)
            schema = self._file.schema_arrow
            self._size = file.size()
        except Exception as error:
            raise source.failed(error) from None
        names = schema.names
        if len(set(names)) < len(names):
            raise DistilError(
                f"{source.address} has two columns of the same name.", "Rename one of them."
            )
        for name in filter(None, (column, identifier)):
            if name not in names:
                raise no_column(source.address, name, names)
        self._check_texts(schema)
        self.identifier_type = (
            "string" if identifier is None else self._type_name(schema.field(identifier).type)
        )

    def check_type(self, expected: str) -> None:
        """Make sure that identifiers are of the type that those of the first file have.

        Raises:
            UsageError: they are not.
        """
        if self._identifier is not None and self.identifier_type != expected:
            raise UsageError(
                f"The column {self._identifier} of {self._source.address} is of another type:"
                f" {self.identifier_type}, not {expected}.",
                "Convert it.",
            )

    def __iter__(self) -> Iterator[tuple[str | None, Identifier]]:
        """Yield text and identifier of each row.

        Raises:
            UnreadableError: the file is damaged.
        """
        own: list[Identifier]
        total = max(self._file.metadata.num_rows, 1)
        wanted = [self._column] if self._identifier is None else [self._column, self._identifier]
        done = 0
        try:
            for batch in self._file.iter_batches(
                self._batch_rows(), columns=list(dict.fromkeys(wanted)), use_threads=False
            ):
                texts = self._texts(batch.column(self._column))
                own = [None] * len(texts)
                if self._identifier is not None:
                    own = self._identifiers(batch.column(self._identifier))
                done += len(texts)
                self._source.consumed = self._size * done // total
                yield from zip(texts, own, strict=True)
        except Exception as error:
            raise self._source.failed(error) from None

    def _batch_rows(self) -> int:
        """Return how many rows to read at once: fewer where the texts are long."""
        metadata = self._file.metadata
        if not metadata.num_rows:
            return 1
        texts = sum(
            metadata.row_group(group).column(place).total_uncompressed_size
            for group in range(metadata.num_row_groups)
            for place in range(metadata.num_columns)
            if metadata.row_group(group).column(place).path_in_schema == self._column
        )
        rows: int = _BATCH_BYTES * metadata.num_rows // max(texts, 1)
        return max(1, min(_BATCH_ROWS, rows))

    def _texts(self, array: Any) -> list[str | None]:
        import pyarrow

        texts: list[str | None]
        try:
            texts = array.cast(pyarrow.string()).to_numpy(zero_copy_only=False).tolist()
        except (UnicodeDecodeError, pyarrow.ArrowException):
            self.damaged = True
            found = array.cast(pyarrow.binary()).to_pylist()
            texts = [
                None if each is None else each.decode(errors="surrogateescape") for each in found
            ]
        return texts

    def _identifiers(self, array: Any) -> list[Identifier]:
        """Return identifiers in a type of Python; those of other types as texts.

        Bytes are written in hexadecimal digits, UUIDs as such, and times with a zone in UTC.
        """
        import pyarrow
        from pyarrow import types

        kind = array.type
        if types.is_dictionary(kind):
            array, kind = array.dictionary_decode(), kind.value_type
        if self.identifier_type != "string":
            values: list[Identifier] = array.cast(
                pyarrow.type_for_alias(self.identifier_type)
            ).to_pylist()
            return values
        if isinstance(kind, pyarrow.UuidType):
            found = array.storage.to_pylist()
            return [None if each is None else str(uuid.UUID(bytes=each)) for each in found]
        if (
            types.is_binary(kind)
            or types.is_large_binary(kind)
            or types.is_fixed_size_binary(kind)
            or types.is_binary_view(kind)
        ):
            return [None if each is None else each.hex() for each in array.to_pylist()]
        if types.is_timestamp(kind) and kind.tz:
            array = array.cast(pyarrow.int64()).cast(pyarrow.timestamp(kind.unit))
            return [None if each is None else f"{each}Z" for each in self._texts(array)]
        return list(self._texts(array))

    def _check_texts(self, schema: Any) -> None:
        if not _holds_texts(schema.field(self._column).type):
            others = [field.name for field in schema if _holds_texts(field.type)]
            raise UsageError(
                f"The column {self._column} of {self._source.address} has no texts:"
                f" it is of the type {schema.field(self._column).type}.",
                f"Use one of these: {', '.join(others)}." if others else "Convert it to texts.",
            )

    def _type_name(self, kind: Any) -> str:
        """Return the type of identifiers as results have them.

        Numbers and booleans stay what they are, in the widest type of their kind; all else becomes
        text.
        """
        from pyarrow import types

        if types.is_boolean(kind):
            return "bool"
        if types.is_integer(kind):
            return "uint64" if types.is_uint64(kind) else "int64"
        if types.is_floating(kind):
            return "double"
        if types.is_nested(kind) or types.is_interval(kind):
            raise UsageError(
                f"The column {self._identifier} of {self._source.address} does not identify rows:"
                f" it is of the type {kind}.",
                "Use one of texts or numbers.",
            )
        return "string"


def _holds_texts(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_null(kind)
    )
