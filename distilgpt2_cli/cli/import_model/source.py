"""What ``distil import`` reads: a folder, a file in one, or a repository on the Hub."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...errors import ModelUnavailableError, UsageError
from ...files import own_path
from ...importing.card import Origin
from ...importing.checkpoint import INDEX, Checkpoint, find_checkpoint, shards_of, wanted_files
from ...models.hub_settings import is_offline
from ...models.reference import is_repository
from ...terminal import Terminal
from ..shared.model_options import Offline


@dataclass(frozen=True)
class SourceOptions:
    """Where a model comes from, and what it is called then."""

    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder, .safetensors file, or repository on the Hub as OWNER/NAME.",
            show_default=False,
        ),
    ]
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="What the model is called.",
            show_default="the name of the folder or repository",
        ),
    ] = None
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            metavar="REVISION",
            help="Branch, tag or commit of the repository.",
            show_default="main",
        ),
    ] = None
    offline: Offline = False

    def __post_init__(self) -> None:
        """Refuse what is neither here nor can be on the Hub."""
        if not self.source:
            raise UsageError("SOURCE is empty.", "Name a folder, or OWNER/NAME on the Hub.")
        if self._is_here and self.revision is not None:
            raise UsageError(
                f"{self.source} is on this machine, so --revision has no meaning.", "Leave it out."
            )

    @property
    def model_name(self) -> str:
        """What the model is called: ``--name``, or the name of the folder or repository."""
        if self.name is not None:
            return self.name
        path = self._path.resolve() if self._is_here else self._path
        return path.parent.name if path.is_file() else path.name

    def find(self, terminal: Terminal) -> tuple[Checkpoint, Origin]:
        """Return the files, downloaded if they are on the Hub, and where they come from.

        Raises:
            DistilError: they are not there, or not those of a model.
        """
        if self._is_here:
            return find_checkpoint(self._path), Origin(self.model_name)
        if not is_repository(self.source):
            raise ModelUnavailableError(
                f"There is no folder {self.source}.",
                "Name a folder, or OWNER/NAME for a repository on the Hub.",
            )
        return self._from_hub(terminal)

    @property
    def _path(self) -> Path:
        return own_path(self.source)

    @property
    def _is_here(self) -> bool:
        return os.path.lexists(self._path)

    def _from_hub(self, terminal: Terminal) -> tuple[Checkpoint, Origin]:
        from ...models.repository_files import fetched, listed

        repository, offline = self.source, self.offline or is_offline(os.environ)
        commit, names = listed(
            repository, self.revision or "main", offline=offline, notice=terminal.notice
        )

        def get(wanted: list[str]) -> Path:
            return fetched(
                repository,
                commit,
                wanted,
                offline=offline,
                progress=terminal.progress,
                notice=terminal.notice,
            )

        wanted = wanted_files(names, repository)
        folder = get(wanted)
        if INDEX in wanted:
            get(sorted(set(shards_of(folder).values())))
        return find_checkpoint(folder), Origin(self.model_name, repository, commit)
