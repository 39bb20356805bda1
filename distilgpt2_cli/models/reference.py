"""The names of a model file: on the Hub, in the cache, on this machine, and in this package."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelUnavailableError, UsageError
from .catalog import REPOSITORY, REVISION, CatalogEntry, entry
from .hashing import sha256_of
from .names import check_quantization, parts

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit of a repository."""
OBJECT_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
"""The SHA-256 or the git blob id of a file's content."""
DEMO = "demo"
"""The name of the bundled model."""

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_REVISION = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileReference:
    """A file of a repository on the Hub, by its name.

    Attributes:
        repository: owner and name.
        revision: a branch, tag or commit.
        name: of the file.

    Raises:
        UsageError: the repository or revision is malformed.
    """

    repository: str
    revision: str
    name: str

    def __post_init__(self) -> None:
        """Check what becomes a path and an address."""
        check_place(self.repository, self.revision)

    @property
    def wanted_revision(self) -> str:
        """The revision to ask the Hub for."""
        return self.revision

    @property
    def file_name(self) -> str:
        """The file's name."""
        return self.name

    @property
    def pinned(self) -> None:
        """No file of this kind is in the catalog."""

    def entry_at(self, commit: str) -> None:
        """No file of this kind is in the catalog."""

    @property
    def download_command(self) -> str:
        """The command that downloads this file, with others that belong to it."""
        return f"distil import {self.repository}"


def is_repository(name: str) -> bool:
    """Return whether a name can be that of a repository: OWNER/NAME."""
    return bool(_REPOSITORY.fullmatch(name)) and ".." not in name


def check_place(repository: str, revision: str | None) -> None:
    """Check what names a repository and a revision of it.

    Raises:
        UsageError: one is malformed.
    """
    if not is_repository(repository):
        raise UsageError(
            f"{repository!r} is not the name of a repository.",
            f"Use OWNER/NAME, such as {REPOSITORY}.",
        )
    if revision is not None and not _REVISION.fullmatch(revision):
        raise UsageError(
            f"{revision!r} is not the name of a revision.", "Use a branch, tag or commit."
        )


@dataclass(frozen=True, slots=True)
class ModelReference:
    """One quantization of a model on the Hub.

    Attributes:
        quantization: case-insensitive; kept in capitals.
        repository: owner and name.
        revision: a branch, tag or commit. None stands for the catalog's commit in its repository
            and for ``main`` in another one.

    Raises:
        UsageError: the repository or revision is malformed, or the quantization unknown.
    """

    quantization: str
    repository: str = REPOSITORY
    revision: str | None = None

    def __post_init__(self) -> None:
        """Check every part, as the parts become paths and addresses."""
        check_place(self.repository, self.revision)
        if self.repository == REPOSITORY:
            quantization = entry(self.quantization).quantization
        else:
            quantization = check_quantization(self.quantization)
        object.__setattr__(self, "quantization", quantization)

    @property
    def wanted_revision(self) -> str:
        """The revision to ask the Hub for: the given one, or what None stands for."""
        if self.revision is not None:
            return self.revision
        return REVISION if self.repository == REPOSITORY else "main"

    @property
    def file_name(self) -> str | None:
        """The file's name, if it is known without looking into the repository."""
        return entry(self.quantization).name if self.repository == REPOSITORY else None

    @property
    def pinned(self) -> CatalogEntry | None:
        """The catalog's entry, if the wanted revision is the commit that the catalog describes."""
        return self.entry_at(self.wanted_revision)

    def entry_at(self, commit: str) -> CatalogEntry | None:
        """Return the catalog's entry of the file, if the catalog describes this commit."""
        if self.repository == REPOSITORY and commit == REVISION:
            return entry(self.quantization)
        return None

    @property
    def download_command(self) -> str:
        """The command that downloads this file."""
        command = f"distil download --quant {self.quantization}"
        if self.repository != REPOSITORY:
            command += f" --repo {self.repository}"
        if self.revision is not None:
            command += f" --revision {self.revision}"
        return command


Reference = ModelReference | FileReference
"""A file on the Hub: found by its quantization, or by its name."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the Hub, the catalog or the cache describes it.

    Attributes:
        name: its name in the repository.
        revision: the commit, 40 hexadecimal digits.
        object_id: the SHA-256 (64 digits) or the git blob id (40 digits) of the content.
        size: in bytes.
    """

    name: str
    revision: str
    object_id: str
    size: int

    @property
    def base_name(self) -> str:
        """The name without the folders of the repository."""
        return self.name.rpartition("/")[2]

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the content; None where only the git blob id is known."""
        return sha256_of(self.object_id)


@dataclass(frozen=True, slots=True)
class AdapterFile:
    """A LoRA adapter for a model, in a file on this machine.

    Attributes:
        path: where it is.
        name: of the file.
        scale: how much of it is added to the model's weights.
    """

    path: Path
    name: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file on this machine.

    Attributes:
        path: where it is.
        name: its name in the repository, or the name of a user's own file.
        size: in bytes.
        repository: None for a user's own file.
        revision: the commit, 40 hexadecimal digits; None for a user's own file.
        sha256: from the catalog or the Hub; None if neither has it.
        adapters: what is added to its weights when it is loaded.
    """

    path: Path
    name: str
    size: int
    repository: str | None = None
    revision: str | None = None
    sha256: str | None = None
    adapters: tuple[AdapterFile, ...] = ()


def local(path: Path) -> ModelFile:
    """Return a user's own model file, or the first of the files that a split model has.

    Raises:
        ModelUnavailableError: it does not exist, is not a regular file, or can't be read; or it
            is a later part of a split model, or one of the parts is missing.
    """
    size = sum(_size(file, "model", _OTHER_MODEL) for file in _files(path))
    return ModelFile(path, path.name, size)


def local_adapter(path: Path, scale: float = 1.0) -> AdapterFile:
    """Return a user's own adapter.

    Raises:
        ModelUnavailableError: it does not exist, is not a regular file, or can't be read.
    """
    _size(path, "adapter", "Check the name of the file, and its permissions.")
    return AdapterFile(path, path.name, scale)


def _files(path: Path) -> list[Path]:
    """Return the file, or those of all parts; llama.cpp wants the first one and finds the rest."""
    names = parts(path.name)
    if len(names) == 1 or not path.exists():
        return [path]
    files = [path.with_name(name) for name in names]
    if path != files[0]:
        raise ModelUnavailableError(
            f"{path} is a later part of a split model.", f"Use its first part, {files[0]}."
        )
    for file in files:
        if not file.exists():
            raise ModelUnavailableError(
                f"{path} is the first part of a split model, and {file.name} is missing.",
                "Put all its parts into one folder.",
            )
    return files


_OTHER_MODEL = "Check --model or DISTIL_MODEL, or omit it to use DistilGPT2."


def _size(path: Path, what: str, remedy: str) -> int:
    """Return the bytes of a file that can be read; ``remedy`` is what to do about another one."""
    try:
        mode = path.stat().st_mode
        for is_kind, kind, advice in _OTHER_KINDS:  # opening a pipe would wait for its writer
            if is_kind(mode):
                raise ModelUnavailableError(f"{path} is {kind}; llama.cpp needs a file.", advice)
        with path.open("rb") as file:
            return file.seek(0, 2)
    except OSError as error:
        raise ModelUnavailableError(
            f"The {what} file {path} can't be opened: {error.strerror}.", remedy
        ) from None


_OTHER_KINDS = (
    (stat.S_ISFIFO, "a pipe", "Save what it gives in a file first."),
    (stat.S_ISDIR, "a folder", "Name a GGUF file in it."),
    (stat.S_ISSOCK, "a socket", "Name a GGUF file."),
    (stat.S_ISCHR, "a device", "Name a GGUF file."),
    (stat.S_ISBLK, "a device", "Name a GGUF file."),
)


def demo() -> ModelFile:
    """Return the file of the bundled model; ``docs/demo-model.md`` says what it is."""
    from importlib import resources

    path = Path(str(resources.files("distilgpt2_cli") / "data" / "demo.gguf"))
    return ModelFile(path, DEMO, path.stat().st_size)
