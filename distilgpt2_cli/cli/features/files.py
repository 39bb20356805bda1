"""The output formats of features: NumPy's, JSON Lines, or rows of numbers."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...errors import UsageError
from ...files import check_new_file, new_file
from ...models import ModelFile
from ...terminal import Terminal
from ..shared.record import model_record, placement_record, versions_record
from ..tasks.features import Features

if TYPE_CHECKING:
    from ...engine import Placement


@dataclass(frozen=True)
class Origin:
    """The model file that features come from, and where its layers are."""

    file: ModelFile
    placement: "Placement"


class Sink(Protocol):
    """Takes the features of one text after another."""

    def write(self, features: Features, origin: Origin) -> None:
        """Write the features of one text."""


@contextmanager
def open_output(
    terminal: Terminal,
    path: Path | None,
    *,
    json: bool,
    lines: bool,
    matrix: bool,
    force: bool,
) -> Iterator[Sink]:
    """Open standard output, or a file that appears only when it is complete.

    Args:
        terminal: whose standard output is used if there is no ``path``.
        path: a file whose name ends with .npy, .npz or .jsonl.
        json: write JSON Lines to standard output.
        lines: there may be any number of texts.
        matrix: each text gives one row of a common array.
        force: overwrite the file.

    Raises:
        UsageError: the name has another ending, or its format can't hold these features.
        DistilError: the file exists, or can't be written.
    """
    if path is None:
        yield JsonSink(terminal.write, lines) if json else TextSink(terminal, lines, matrix)
        return
    check_new_file(path, (".npy", ".npz", ".jsonl"), force=force)
    if path.suffix == ".npy" and lines and not matrix:
        raise UsageError(
            "Texts of different lengths don't fit into one .npy array.",
            "Use .npz or .jsonl, or add --pool.",
        )
    with new_file(path, force=force) as part, _file_sink(part, lines, matrix) as sink:
        yield sink


@contextmanager
def _file_sink(path: Path, lines: bool, matrix: bool) -> Iterator[Sink]:
    if path.suffix == ".jsonl":
        with path.open("w", encoding="ascii") as text:
            yield JsonSink(text.write, lines)
    elif path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            yield ArchiveSink(archive, lines)
    else:
        with path.open("wb") as file:
            sink = MatrixSink(file) if matrix else ArraySink(file)
            yield sink
            if isinstance(sink, MatrixSink):
                sink.finish()


class TextSink:
    """Rows of numbers separated by spaces, which ``numpy.loadtxt`` reads."""

    def __init__(self, terminal: Terminal, lines: bool, matrix: bool) -> None:
        """Separate texts with several rows each by an empty line."""
        self._terminal = terminal
        self._separated = lines and not matrix

    def write(self, features: Features, origin: Origin) -> None:  # noqa: ARG002
        """Print one row or more, with the digits that identify a 32-bit float."""
        for line in features.text_lines(separated=self._separated):
            self._terminal.write(line)


class JsonSink:
    """One object per text."""

    def __init__(self, write: Callable[[str], object], lines: bool) -> None:
        """Call ``write`` with each line."""
        self._write = write
        self._lines = lines

    def write(self, features: Features, origin: Origin) -> None:
        """Write the text with its features."""
        line = {"line": features.number} if self._lines else {}
        record = line | {
            "text": features.text,
            "tokens": {"text": features.tokens},
            "layer": features.layer,
            "window": features.window,
            "stride": features.stride,
            "features": features.numbers,
            "model": model_record(origin.file),
            "placement": placement_record(origin.placement),
            "warnings": list(origin.placement.warnings),
            "versions": versions_record(),
        }
        self._write(json.dumps(record, allow_nan=False) + "\n")


class ArraySink:
    """One array in NumPy's format."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write to a file."""
        self._file = file

    def write(self, features: Features, origin: Origin) -> None:  # noqa: ARG002
        """Write the only array."""
        self._file.write(_array(features.values))


class MatrixSink:
    """Rows of one array in NumPy's format, whose number is only known at the end.

    The header is written twice: NumPy pads it, so that the first dimension can grow
    (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Write to a file."""
        self._file = file
        self._rows = 0
        self._width = 0

    def write(self, features: Features, origin: Origin) -> None:  # noqa: ARG002
        """Add a row."""
        if not self._rows:
            self._width = len(features.values)
            self._write_header()
        self._file.write(features.values.tobytes())
        self._rows += 1

    def finish(self) -> None:
        """Write the number of rows."""
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, self._width)}
        npy.write_array_header_1_0(self._file, header)


class ArchiveSink:
    """One array per text in NumPy's archive format: ``features``, or ``line_1`` and so on."""

    def __init__(self, archive: zipfile.ZipFile, lines: bool) -> None:
        """Write to an archive."""
        self._archive = archive
        self._lines = lines

    def write(self, features: Features, origin: Origin) -> None:  # noqa: ARG002
        """Add an array."""
        name = f"line_{features.number}" if self._lines else "features"
        self._archive.writestr(f"{name}.npy", _array(features.values))


def _array(values: NDArray[np.float32]) -> bytes:
    """Return an array in NumPy's format, whose own writing of files does not notice a full disk."""
    content = io.BytesIO()
    npy.write_array(content, values, allow_pickle=False)
    return content.getvalue()
