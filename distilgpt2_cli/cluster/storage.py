"""Where results are: a folder of this machine, or one at another address.

A file appears under its name when it is complete, also where a process is killed meanwhile.
"""

import mmap
import os
import platform
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from ..errors import DistilError
from ..failures import limit_reached
from ..files import cannot_write, private_folder, remove_abandoned
from .filesystems import cannot_open, is_local, located, reason

TEMPORARY = "_tmp"
"""The folder with files that are not complete; those of each machine are in one of its own."""

_AGAIN = "go on with --resume"
_REMEDY = f"Make sure that it can be written, then {_AGAIN}."
_SENT_TOGETHER = 2**30  # bytes


class NewFile:
    """A file that is written from its beginning to its end.

    Attributes:
        size: the bytes that were written.
        closed: False, as pyarrow asks for it.
    """

    closed = False

    def __init__(self, file: IO[bytes], name: object) -> None:
        """Take an open file, and what errors call it."""
        self.size = 0
        self._file = file
        self._name = name
        self._hash = sha256()

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal digits."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        """Write bytes, and return how many.

        Raises:
            DistilError: they can't be written.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise _cannot_write(error, self._name) from None
        self.size += len(data)
        self._hash.update(data)
        return len(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    def flush(self) -> None:
        """Do nothing: the file is complete at its end, and not before."""


class Storage(ABC):
    """The files of a folder. Their names may have a folder in it, and a slash."""

    @abstractmethod
    def begin(self) -> None:
        """Make the folder, if there is none.

        Raises:
            DistilError: it can't be made, or is a file.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all files and folders in the folder; none if there is no folder.

        Raises:
            DistilError: it can't be read.
        """

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """Return what is in a file, None if there is none.

        Raises:
            DistilError: it can't be read.
        """

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, None if there is none.

        Raises:
            DistilError: that can't be found out.
        """

    @abstractmethod
    def new(self, name: str) -> AbstractContextManager[NewFile]:
        """Give a file to write to; it replaces another one when the block ends without an error.

        Raises:
            DistilError: it can't be written.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if there is one.

        Raises:
            DistilError: it can't be removed.
        """

    @abstractmethod
    def sweep(self) -> None:
        """Remove what killed processes of this machine have left."""

    @abstractmethod
    def finish(self) -> None:
        """Remove all files that are not complete."""


def storage(address: str) -> Storage:
    """Return the files of the folder at a full address.

    Raises:
        UsageError: there is no file system for it.
        DistilError: the file system can't be used.
    """
    return _LocalStorage(Path(address)) if is_local(address) else _RemoteStorage(address)


class _LocalStorage(Storage):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Whether a process lives is known on its own machine only.
        self._private = folder / TEMPORARY / (platform.node() or "this")

    def begin(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise DistilError(f"{self._folder} is a file.", "Choose another folder.") from None
        except OSError as error:
            raise _cannot_write(error, self._folder) from None

    def names(self) -> list[str]:
        try:
            return [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            raise DistilError(f"{self._folder} is a file.", "Choose another folder.") from None
        except OSError as error:
            raise cannot_open(error, str(self._folder)) from None

    def read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise cannot_open(error, str(path)) from None

    def size(self, name: str) -> int | None:
        path = self._folder / name
        try:
            return path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise cannot_open(error, str(path)) from None

    @contextmanager
    def new(self, name: str) -> Iterator[NewFile]:
        path = self._folder / name
        with ExitStack() as stack:
            try:
                self._folder.stat()  # which must not be made anew where it has gone
                path.parent.mkdir(exist_ok=True)
                part = stack.enter_context(private_folder(self._private)) / path.name
                file = stack.enter_context(_closing(part.open("wb")))
            except OSError as error:
                raise _cannot_write(error, path) from None
            yield NewFile(file, path)
            try:
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
                _sync(path.parent)
            except OSError as error:
                raise _cannot_write(error, path) from None

    def remove(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise _cannot_write(error, self._folder / name) from None

    def sweep(self) -> None:
        remove_abandoned(self._private)

    def finish(self) -> None:
        shutil.rmtree(self._folder / TEMPORARY, ignore_errors=True)


class _RemoteStorage(Storage):
    def __init__(self, address: str) -> None:
        from pyarrow import fs as arrow

        self._address = address
        self._files, path = located(address)
        self._folder = path.rstrip("/")
        # Others have no folders, or make those that they need.
        self._makes_folders = isinstance(self._files, arrow.PyFileSystem)

    def begin(self) -> None:
        from pyarrow import fs as arrow

        if self._try(lambda: self._info("").type) == arrow.FileType.File:
            raise DistilError(f"{self._address} is a file.", "Choose another folder.")

    def names(self) -> list[str]:
        from pyarrow import fs as arrow

        selected = arrow.FileSelector(self._folder, allow_not_found=True)
        return [each.base_name for each in self._try(lambda: self._files.get_file_info(selected))]

    def read(self, name: str) -> bytes | None:
        try:
            with self._files.open_input_stream(self._path(name), compression=None) as file:
                data: bytes = file.read()
                return data
        except FileNotFoundError:
            return None
        except Exception as error:
            raise cannot_open(error, self._shown(name)) from None

    def size(self, name: str) -> int | None:
        size: int | None = self._try(lambda: self._info(name).size)
        return size

    @contextmanager
    def new(self, name: str) -> Iterator[NewFile]:
        with _closing(tempfile.TemporaryFile()) as file:
            yield NewFile(file, tempfile.gettempdir())
            try:
                file.flush()
            except OSError as error:
                raise _cannot_write(error, tempfile.gettempdir()) from None
            try:
                self._send(name, file)
            except Exception as error:
                raise _cannot_write(error, self._shown(name)) from None

    def _send(self, name: str, file: IO[bytes]) -> None:
        """Send a complete file.

        An object store has the file when its stream is closed, with what was written until then,
        and the end of a Python object closes it: nothing must happen between writing and closing.
        """
        path, size = self._path(name), os.fstat(file.fileno()).st_size
        if self._makes_folders:
            self._files.create_dir(path.rpartition("/")[0], recursive=True)
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""
        data = memoryview(mapped)
        stream = self._files.open_output_stream(path, compression=None)
        for start in range(0, size, _SENT_TOGETHER):
            stream.write(data[start : start + _SENT_TOGETHER])
        stream.close()

    def remove(self, name: str) -> None:
        try:
            self._files.delete_file(self._path(name))
        except FileNotFoundError:
            pass
        except Exception as error:
            raise _cannot_write(error, self._shown(name)) from None

    def sweep(self) -> None:
        pass  # the system removes temporary files that have no name

    def finish(self) -> None:
        pass

    def _info(self, name: str) -> Any:
        return self._files.get_file_info(self._path(name).rstrip("/"))

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _shown(self, name: str) -> str:
        return f"{name} in {self._address}"

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            raise cannot_open(error, self._address) from None


@contextmanager
def _closing(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Close a file at the end, where what it can't write is no news: whoever succeeds flushes."""
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk; some file systems can't, or need not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(error: Exception, name: object) -> DistilError:
    if isinstance(error, DistilError):
        return error
    number = error.errno if isinstance(error, OSError) else None
    return limit_reached(error) or cannot_write(
        OSError(number, reason(error)), name, _REMEDY, _AGAIN
    )
