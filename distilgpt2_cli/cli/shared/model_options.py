"""Which model a command uses and where it computes: the options, declared once."""

import os
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ...engine.llama.placement import Offload
from ...errors import ModelUnavailableError, UsageError
from ...models import ModelFile, ModelReference, download, find
from ...models.catalog import CATALOG, DEFAULT_QUANTIZATION, REPOSITORY
from ...models.choice import (
    MODEL_VARIABLE,
    QUANT_VARIABLE,
    choose_model,
    choose_models,
    choose_references,
)
from ...terminal import Terminal
from ...terminal.progress import megabytes
from .offload import Devices, GpuLayers, parse_offload

MAX_THREADS = 512
"""The most that llama.cpp takes: GGML_MAX_N_THREADS in ggml.h."""


def complete_quantization(incomplete: str) -> list[tuple[str, str]]:
    """Return the quantizations that begin so, in the case that was typed, with their sizes."""
    names = [
        (entry.quantization.lower() if incomplete.islower() else entry.quantization, entry.size)
        for entry in CATALOG
    ]
    return [(name, megabytes(size)) for name, size in names if name.startswith(incomplete)]


def is_given(context: typer.Context, name: str) -> bool:
    """Tell whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _if_given(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Leave the environment and the default, which the help shows, to `models.choice`."""
    return value if parameter.name and is_given(context, parameter.name) else None


def quant_option(help_text: str, default: str | bool = True) -> Any:
    """Return ``--quant`` with a help of its own."""
    return typer.Option(
        "--quant",
        "-q",
        envvar=QUANT_VARIABLE,
        metavar="NAME",
        help=help_text,
        show_default=default,
        autocompletion=complete_quantization,
        callback=_if_given,
    )


def _model_option(help_text: str) -> Any:
    return typer.Option(
        "--model",
        "-m",
        envvar=MODEL_VARIABLE,
        metavar="PATH",
        help=help_text,
        show_default=False,
        callback=_if_given,
    )


Quant = Annotated[
    str | None,
    quant_option("The quantization, in any case; downloaded first if it is missing."),
]
Quants = Annotated[
    list[str] | None,
    quant_option("A quantization, in any case; may be given several times.", DEFAULT_QUANTIZATION),
]
ModelPath = Annotated[
    str | None,
    _model_option(
        "A GGUF file of your own instead, or demo for the very small model that comes along."
    ),
]
ModelPaths = Annotated[
    list[str] | None,
    _model_option("A GGUF file of your own, or demo; may be given several times."),
]
Repository = Annotated[
    str | None,
    typer.Option(
        "--repo",
        metavar="OWNER/NAME",
        help="The Hub repository to take the model from.",
        callback=_if_given,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="REVISION",
        help="A branch, tag or commit of the repository.",
        show_default="the commit that distil knows; main for another repository",
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the Hub.")]
Threads = Annotated[
    str,
    typer.Option(
        metavar="N", help="Threads to compute with; auto finds out what is fastest meanwhile."
    ),
]
EveryCached = Annotated[bool, typer.Option("--all", help="Every quantization that is downloaded.")]


@dataclass(frozen=True)
class FileOptions:
    """The options of a command that needs one model file."""

    quant: Quant = DEFAULT_QUANTIZATION
    model: ModelPath = None
    repo: Repository = REPOSITORY
    revision: Revision = None
    offline: Offline = False

    def choose(self) -> ModelFile | ModelReference:
        """Return the file, or what names it on the Hub.

        Raises:
            DistilError: there is no such file, or there can't be.
        """
        return choose_model(os.environ, self.model, self.quant, self.repo, self.revision)

    def locate(self, terminal: Terminal) -> ModelFile:
        """Return the file, downloaded if it is missing.

        Raises:
            DistilError: there is no such file, or it could not be downloaded.
        """
        return _locate(terminal, self.choose(), self.offline)


@dataclass(frozen=True)
class FilesOptions:
    """The options of a command that compares model files."""

    quant: Quants = None
    model: ModelPaths = None
    repo: Repository = REPOSITORY
    revision: Revision = None
    offline: Offline = False

    def locate(self, terminal: Terminal) -> list[ModelFile]:
        """Return the files, downloaded if they are missing.

        Raises:
            DistilError: there is no such file, or it could not be downloaded.
        """
        chosen = choose_models(
            os.environ, self.model or (), self.quant or (), self.repo, self.revision
        )
        return [_locate(terminal, each, self.offline) for each in chosen]


@dataclass(frozen=True)
class CacheOptions:
    """The options of a command that works on files of the Hub and of its cache."""

    quant: Quants = None
    every: EveryCached = False
    repo: Repository = REPOSITORY
    revision: Revision = None

    def __post_init__(self) -> None:
        """Refuse options that exclude each other."""
        if self.quant and self.every:
            raise UsageError("--quant and --all can't be combined.", "Use one of them.")

    @property
    def repository(self) -> str:
        """The one of the option, or the catalog's."""
        return REPOSITORY if self.repo is None else self.repo

    def references(self) -> list[ModelReference]:
        """Return what is named, where it is not all there is.

        Raises:
            UsageError: a name can't be one.
        """
        return choose_references(os.environ, self.quant or (), self.repo, self.revision)


@dataclass(frozen=True)
class ThreadOptions:
    """How many threads compute."""

    threads: Threads = "auto"

    def __post_init__(self) -> None:
        """Refuse what is no number of threads."""
        parse_threads(self.threads)

    @property
    def thread_count(self) -> int | None:
        """None for as many as turn out to be fastest."""
        return parse_threads(self.threads)


@dataclass(frozen=True)
class GpuOptions:
    """Which layers a GPU computes."""

    gpu_layers: GpuLayers = "auto"
    device: Devices = None

    @property
    def offload(self) -> Offload:
        """Where the layers are wanted.

        Raises:
            UsageError: the options can't be understood.
            NoDeviceError: they ask for a device that isn't there.
        """
        return parse_offload(self.gpu_layers, self.device)


@dataclass(frozen=True)
class ComputeOptions(GpuOptions, ThreadOptions):
    """How the model computes."""


@dataclass(frozen=True)
class ModelOptions(ComputeOptions, FileOptions):
    """The options of a command that computes with one model."""


def parse_threads(value: str) -> int | None:
    """Return a number of threads, or None for ``auto``.

    Raises:
        UsageError: it is neither.
    """
    if value == "auto":
        return None
    if value.isdecimal() and 0 < int(value) <= MAX_THREADS:
        return int(value)
    raise UsageError(
        f"--threads can't be {value}.", f"Use auto, or a number from 1 to {MAX_THREADS}."
    )


def _locate(terminal: Terminal, chosen: ModelFile | ModelReference, offline: bool) -> ModelFile:
    if isinstance(chosen, ModelFile):
        return chosen
    file = find(chosen)
    if file is not None:
        return file
    try:
        if offline or _hub_is_forbidden():
            raise ModelUnavailableError(
                f"{chosen.quantization} of {chosen.repository} is not downloaded, and distil was"
                " told to stay offline.",
                f"Run `{chosen.download_command}` when online.",
            )
        return download(chosen, progress=terminal.progress, notice=terminal.notice)
    except ModelUnavailableError as error:
        raise _with_demo_for_now(error, chosen) from error


def _with_demo_for_now(
    error: ModelUnavailableError, reference: ModelReference
) -> ModelUnavailableError:
    later = reference.download_command
    remedy = error.remedy if later in error.remedy else f"{error.remedy} Later, run `{later}`."
    return ModelUnavailableError(error.what, f"{remedy} For now, --model demo needs no network.")


def _hub_is_forbidden() -> bool:
    from huggingface_hub.constants import is_offline_mode

    return is_offline_mode()
