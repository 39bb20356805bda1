"""The edited file: read whole, and written whole or not at all."""

import glob
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from ..errors import DistilError, NotUtf8Error

_UNNAMED = "distil-write.txt"
_RECOVERED = ".recovered"


class TextFile:
    """A UTF-8 text file, and its contents when it was last read or written.

    Attributes:
        path: the file; None for a text without a name yet.
        text: its contents. If all line ends are CR LF, each is one ``\\n`` here; otherwise
            nothing is changed.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file, if there is one.

        Raises:
            DistilError: it can't be read, its folder does not exist, or it is not UTF-8.
        """
        self.path = path
        self.text = ""
        self._data: bytes | None = None
        self._crlf = False
        if path is None:
            return
        self._data = _contents(path)
        if self._data is None and not Path(os.path.realpath(path)).parent.is_dir():
            raise DistilError(
                f"The folder {path.parent} does not exist.", "Create it, or choose another one."
            )
        self.text = _decoded(self._data or b"", path)
        self._crlf = "\r\n" in self.text and not _has_other_line_ends(self.text)
        if self._crlf:
            self.text = self.text.replace("\r\n", "\n")

    @property
    def is_new(self) -> bool:
        """Whether there was no such file."""
        return self._data is None

    def at(self, path: Path) -> "TextFile":
        """Return an object for the same text under another name, not read or written yet."""
        other = TextFile(None)
        other.path, other._crlf = path, self._crlf
        return other

    def changed_on_disk(self) -> bool:
        """Return whether writing would replace contents that were not read or written here.

        Raises:
            DistilError: it can't be read.
        """
        if self.path is None:
            return False
        present = _contents(self.path)
        return present is not None and present != self._data

    def write(self, text: str) -> None:
        """Replace the file, see `write_whole`.

        Raises:
            DistilError: it can't be written; the file is then what it was.
        """
        assert self.path is not None
        data = self._encoded(text)
        try:
            write_whole(self.path, data)
        except OSError as error:
            raise DistilError(
                f"{self.path} can't be written: {error.strerror}.",
                "Save it under another name with Ctrl-O.",
            ) from error
        self.text, self._data = text, data

    def keep(self, text: str) -> Path:
        """Write a text to a new recovery file beside the file, and return its name.

        If the folder can't be written, it goes to the home folder, or else the temporary folder.

        Raises:
            OSError: none of them can be written.
        """
        path = self.path or Path(_UNNAMED)
        folders = [path.parent, *_other_folders()]
        for folder in folders[:-1]:
            with suppress(OSError):
                return _write_new(folder / path.name, self._encoded(text))
        return _write_new(folders[-1] / path.name, self._encoded(text))

    def kept(self) -> list[Path]:
        """Return the recovery files that `keep` has written beside the file, oldest name first."""
        path = self.path or Path(_UNNAMED)
        return sorted(path.parent.glob(f"{glob.escape(path.name)}{_RECOVERED}*"))

    def _encoded(self, text: str) -> bytes:
        if self._crlf:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        return text.encode()


def write_whole(path: Path, data: bytes) -> None:
    """Replace the contents of a file atomically: at any moment it is the old or the new one.

    The new file is written to the disk beside the old one, and then renamed. A symbolic link is
    kept, and so are owner, group, permissions and extended attributes, as far as the system allows;
    of several hard links, only this one leads to the new contents.

    Raises:
        OSError: it can't be written, or is read-only.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(0, "it is read-only", str(path))
    part = target.with_name(f".distil-{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123
            if target.exists():
                _copy_permissions(target, descriptor)
            _write_to_disk(file.fileno(), data)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _contents(path: Path) -> bytes | None:
    """Return the bytes of a file, None if there is none."""
    try:
        if path.exists() and not path.is_file():
            raise DistilError(f"{path} is not a text file.", "Choose another one.")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DistilError(
            f"{path} can't be read: {error.strerror}.", "Choose another file."
        ) from error


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8Error(str(path), error) from None


def _has_other_line_ends(text: str) -> bool:
    pairs = text.count("\r\n")
    return text.count("\n") != pairs or text.count("\r") != pairs


def _copy_permissions(source: Path, descriptor: int) -> None:
    old = source.stat()
    for owner in (old.st_uid, -1):
        with suppress(PermissionError):
            os.fchown(descriptor, owner, old.st_gid)
            break
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(source):
                os.setxattr(descriptor, name, os.getxattr(source, name))


def _write_to_disk(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems can't
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _other_folders() -> Iterator[Path]:
    with suppress(RuntimeError):
        yield Path.home()
    yield Path(tempfile.gettempdir())


def _write_new(path: Path, data: bytes) -> Path:
    """Write a file that only its owner can read, under the first free name."""
    for number in count(1):
        free = path.with_name(f"{path.name}{_RECOVERED}{f'-{number}' if number > 1 else ''}")
        try:
            descriptor = os.open(free, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        with open(descriptor, "wb"):  # noqa: PTH123
            _write_to_disk(descriptor, data)
        _sync_folder(path.parent)
        return free
    raise AssertionError
