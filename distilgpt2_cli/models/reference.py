"""What names a model file, and what is known of one that is here."""

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelUnavailableError, UsageError
from .catalog import REPOSITORY, REVISION, CatalogEntry, entry
from .names import check_quantization

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_REVISION = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelReference:
    """One quantization of a model on the Hub.

    Attributes:
        quantization: in any case; kept in capitals.
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
        if not _REPOSITORY.fullmatch(self.repository) or ".." in self.repository:
            raise UsageError(
                f"{self.repository!r} is not the name of a repository.",
                f"Use OWNER/NAME, such as {REPOSITORY}.",
            )
        if self.revision is not None and not _REVISION.fullmatch(self.revision):
            raise UsageError(
                f"{self.revision!r} is not the name of a revision.", "Use a branch, tag or commit."
            )
        if self.repository == REPOSITORY:
            quantization = entry(self.quantization).quantization
        else:
            quantization = check_quantization(self.quantization)
        object.__setattr__(self, "quantization", quantization)

    @property
    def wanted_revision(self) -> str:
        """The revision to ask for: the given one or what None stands for."""
        if self.revision is not None:
            return self.revision
        return REVISION if self.repository == REPOSITORY else "main"

    @property
    def file_name(self) -> str | None:
        """The file's name where it is known without looking into the repository."""
        return entry(self.quantization).name if self.repository == REPOSITORY else None

    @property
    def pinned(self) -> CatalogEntry | None:
        """The catalog's entry if the very commit that the catalog describes is asked for."""
        return self.entry_at(self.wanted_revision)

    def entry_at(self, commit: str) -> CatalogEntry | None:
        """Return the catalog's entry of the file if the catalog describes this commit."""
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


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the Hub, the catalog or the cache announces it.

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


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file on this machine.

    Attributes:
        path: where it is.
        name: its name in the repository, or the name of a user's own file.
        size: in bytes.
        repository: None for a user's own file.
        revision: the commit, 40 hexadecimal digits; None for a user's own file.
        sha256: as the catalog or the Hub gives it; None where neither does.
    """

    path: Path
    name: str
    size: int
    repository: str | None = None
    revision: str | None = None
    sha256: str | None = None


def local(path: Path) -> ModelFile:
    """Return a user's own model file.

    Raises:
        ModelUnavailableError: it isn't there, is a folder, or can't be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
    except OSError as error:
        raise ModelUnavailableError(
            f"The model file {path} can't be opened: {error.strerror}.",
            "Check --model (or DISTIL_MODEL), or leave it out to use DistilGPT2.",
        ) from None
    return ModelFile(path, path.name, size)
