"""The bytes of an input, decompressed, in whole lines."""

import os
from collections.abc import Callable, Iterator
from typing import Any

from ..failures import limit_reached
from .filesystems import located, reason

_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}  # as in pyarrow
_LEAST_BLOCK, _BLOCK = 2**12, 2**18  # bytes; a line that is longer is the first one of a block
_STEPS = 128  # in which a small file is read, for people who watch
_REQUEST = 2**22  # bytes that are asked for together, where each request takes long
_REMEDY = "Make sure that it can be read as before, then go on with --resume."


class Source:
    """An input, read from its beginning; close it at the end.

    Attributes:
        address: of it.
        consumed: the bytes of the file, as it is compressed, that were read so far.
    """

    def __init__(self, address: str, size: int | None = None) -> None:
        """Open nothing yet.

        Args:
            address: of a file.
            size: the bytes that it must have; None for any.
        """
        self.address = address
        self.consumed = 0
        self._size = size
        self._files: list[Any] = []

    def close(self) -> None:
        """Close what was opened."""
        while self._files:
            self._files.pop().close()

    def lines(self, longest: int) -> Iterator[bytes | None]:
        """Yield blocks of whole lines, and None for each line that is too long.

        The very last line may have no end. The bytes of ``longest`` count with it.

        Raises:
            UnreadableError: the file can't be read, or has changed.
        """
        read = self._reader()
        held: list[bytes] = []  # of a line whose end was not read yet
        length, skipping = 0, False
        block = min(max(_LEAST_BLOCK, (self._size or _BLOCK) // _STEPS), _BLOCK)
        while data := read(block):
            end = data.rfind(b"\n") + 1
            begun = data[end:]
            if end:
                first = data.find(b"\n") + 1
                if skipping or length + first > longest:
                    yield None
                    data = data[first:end]
                else:
                    data = b"".join([*held, data[:end]])
                if data:
                    yield data
                held, length, skipping = [], 0, False
            if skipping:
                continue
            held.append(begun)
            length += len(begun)
            if length > longest:
                held, skipping = [], True
        if skipping:
            yield None
        elif length:
            yield b"".join(held)

    def random_access(self) -> Any:
        """Open the file to read it at any place.

        Raises:
            UnreadableError: it can't be opened, or has changed.
        """
        place = located(self.address)
        try:
            self._check_size(place.filesystem.get_file_info(place.path).size)
            file = place.filesystem.open_input_file(place.path)
        except Exception as error:
            raise self.failed(error) from None
        self._files.append(file)
        return file

    def failed(self, error: Exception) -> Exception:
        """Return what to raise where the file can't be read."""
        if isinstance(error, UnreadableError):
            return error
        return limit_reached(error) or UnreadableError(reason(error))

    def _reader(self) -> Callable[[int], bytes]:
        """Open the file, and return what reads so many bytes of what is in it, or fewer."""
        place = located(self.address)
        try:
            self._check_size(place.filesystem.get_file_info(place.path).size)
            file = place.filesystem.open_input_stream(
                place.path, compression=None, buffer_size=_REQUEST
            )
        except Exception as error:
            raise self.failed(error) from None
        self._files.append(file)

        def counted(count: int) -> Any:
            data = file.read(count)
            self.consumed += len(data)
            return data

        _, compression = uncompressed(place.path)
        if compression:
            import pyarrow

            inner = pyarrow.PythonFile(_Readable(counted), mode="r")
            stream = pyarrow.CompressedInputStream(inner, compression)
            self._files.append(stream)

        def read(count: int) -> bytes:
            try:
                data: bytes = stream.read(count) if compression else counted(count)
                if not (data or compression):
                    self._check_size(self.consumed)
            except Exception as error:
                raise self.failed(error) from None
            return data

        return read

    def _check_size(self, size: int | None) -> None:
        if self._size and size is not None and size != self._size:
            raise UnreadableError(f"it has {size} bytes, and had {self._size} at the beginning")


def uncompressed(name: str) -> tuple[str, str | None]:
    """Return the name of a file without the ending of a compression, and that compression."""
    stem, ending = os.path.splitext(name)  # noqa: PTH122 - it may be part of a URL
    compression = _COMPRESSIONS.get(ending.lower())
    return (stem if compression else name), compression


class UnreadableError(Exception):
    """Why an input can't be read any further, as a clause.

    Attributes:
        remedy: what to do, as a sentence.
    """

    def __init__(self, reason: str, remedy: str = _REMEDY) -> None:
        """Take both."""
        super().__init__(reason)
        self.remedy = remedy


class _Readable:
    """What pyarrow needs of an object to read from it."""

    closed = False

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read

    def close(self) -> None:
        self.closed = True
