"""The edited file: read whole, and written whole or not at all."""

import os
from pathlib import Path

from ..errors import DistilError, NotUtf8Error
from . import recovery
from .whole_file import write_whole

_UNNAMED = Path("distil-write.txt")


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
        """Write a text to a new recovery file, see `recovery.keep`, and return its name.

        Raises:
            OSError: it can't be written anywhere.
        """
        return recovery.keep(self.path or _UNNAMED, self._encoded(text))

    def kept(self) -> list[Path]:
        """Return the recovery files that `keep` has written, the newest one last."""
        return recovery.kept(self.path or _UNNAMED)

    def _encoded(self, text: str) -> bytes:
        if self._crlf:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        return text.encode()


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
