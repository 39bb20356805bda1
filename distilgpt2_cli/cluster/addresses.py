"""The inputs of a run, as a user names them: files and folders, here or elsewhere."""

import os
from collections.abc import Sequence
from contextlib import closing

from ..errors import DistilError, UsageError
from ..lines import MAX_LINE_BYTES, text_of_line
from ..tables import no_column
from .filesystems import cannot_open, full_address, is_local, located, within
from .job import Format, Inputs
from .json_rows import object_of
from .parquet_rows import ParquetRows
from .reading import TableLines
from .source import Source, UnreadableError, uncompressed

DEFAULT_COLUMN = "text"

_STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}  # other names are those of texts
_HIDDEN = ("_", ".")  # what other programs, too, do not take for data


def find_inputs(names: Sequence[str], column: str | None, identifier: str | None) -> Inputs:
    """Return the files that inputs consist of, in order, and what they are.

    Args:
        names: of files and folders: paths, whose ``~`` is the home folder, or URLs. The files in
            a folder and below are sorted by name, without those that begin with ``_`` or ``.``.
        column: the column with the texts; None for ``text`` where there are columns.
        identifier: the column with identifiers; None without one.

    Raises:
        UsageError: the inputs do not go together, or the first one does not have such columns.
        DistilError: something can't be read.
    """
    found = [file for name in names for file in _files(name)]
    formats = {_format(address): address for address, _ in reversed(found)}
    if len(formats) > 1:
        first, second = list(formats.values())[-1], list(formats.values())[-2]
        raise UsageError(
            f"{first} and {second} are files of different formats.", "Name those of one format."
        )
    (kind,) = formats
    if kind == "text" and (column, identifier) != (None, None):
        raise UsageError(
            f"{found[0][0]} has lines of text, which have no column"
            f" {identifier if column is None else column}.",
            "Use a file whose name ends in .jsonl, .csv or .parquet.",
        )
    inputs = Inputs(
        addresses=tuple(address for address, _ in found),
        sizes=tuple(size for _, size in found),
        format=kind,
        column=None if kind == "text" else column or DEFAULT_COLUMN,
        identifier=identifier,
    )
    return inputs if kind == "text" else _checked(inputs)


def _files(name: str) -> list[tuple[str, int]]:
    """Return the addresses and sizes of the files that an input consists of."""
    from pyarrow import fs as arrow

    if name in _STDIN:
        raise UsageError(
            "Standard input is not a file, which several processes can read again.",
            "Save it in a file, and name that.",
        )
    address = full_address(name)
    place = located(address)
    try:
        about = place.filesystem.get_file_info(place.path)
        if about.type == arrow.FileType.File:
            return [(address, _size(about))]
        if about.type == arrow.FileType.Directory:
            selected = arrow.FileSelector(place.path, recursive=True)
            below = place.filesystem.get_file_info(selected)
        else:
            below = []
    except Exception as error:
        raise cannot_open(error, address) from None
    if about.type != arrow.FileType.Directory:
        special = is_local(address) and os.path.exists(address)  # noqa: PTH110
        why = "it is a pipe or a device" if special else "there is no such file or folder"
        raise DistilError(
            f"Can't read {address}: {why}.",
            "Save what comes from it in a file, and name that." if special else "Check its name.",
        )
    base = about.path.rstrip("/") + "/"
    files = sorted(
        (each.path.removeprefix(base), _size(each))
        for each in below
        if each.type == arrow.FileType.File
    )
    visible = [
        (within(address, path), size)
        for path, size in files
        if not any(part.startswith(_HIDDEN) for part in path.split("/"))
    ]
    if not visible:
        raise DistilError(f"There are no files in {address}.", "Name a folder that has some.")
    return visible


def _size(about: object) -> int:
    return getattr(about, "size", None) or 0


def _format(address: str) -> Format:
    stem, compression = uncompressed(located(address).path)
    kind = _FORMATS.get(os.path.splitext(stem)[1].lower(), "text")  # noqa: PTH122 - part of a URL
    if compression and kind == "parquet":
        raise UsageError(
            f"{address} can't be read at any place, because it is compressed as one.",
            "Decompress it: within, Parquet is compressed anyway.",
        )
    return kind


def _checked(inputs: Inputs) -> Inputs:
    """Return inputs with the type of their identifiers, after a look at the first one."""
    assert inputs.column is not None
    for address in inputs.addresses:
        source = Source(address)
        try:
            with closing(source):
                if inputs.format == "parquet":
                    rows = ParquetRows(source, inputs.column, inputs.identifier)
                    return Inputs(**{**vars(inputs), "identifier_type": rows.identifier_type})
                columns = _json_columns(source) if inputs.format == "jsonl" else _header(source)
        except UnreadableError as error:
            raise DistilError(f"Can't read {address}: {error}.", "Check the file.") from None
        if columns is not None:
            for name in filter(None, (inputs.column, inputs.identifier)):
                if name not in columns:
                    raise no_column(address, name, columns)
            return inputs
    return inputs


def _header(source: Source) -> list[str] | None:
    table = TableLines(source).table()
    return table.header if table else None


def _json_columns(source: Source) -> list[str] | None:
    """Return the names in the object on the first line, None if it is not an object."""
    for block in source.lines(MAX_LINE_BYTES):
        for line in (block or b"").split(b"\n"):
            try:
                text = text_of_line(line, 1, "", first=True)
            except DistilError:
                return None
            if text:
                found = object_of(text)
                return None if isinstance(found, str) else list(found)
    return None
