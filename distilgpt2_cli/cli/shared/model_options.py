"""Which model a command uses and where it computes: the options, declared once."""

import os
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from ...engine.llama.placement import Offload
from ...errors import DistilError, UsageError
from ...files import own_path
from ...models import DEMO, AdapterFile, ModelFile, ModelReference
from ...models.catalog import CATALOG, DEFAULT_QUANTIZATION, REPOSITORY
from ...models.choice import (
    MODEL_VARIABLE,
    QUANT_VARIABLE,
    choose_model,
    choose_models,
    choose_references,
    own_adapters,
)
from ...models.imported import files, imported
from ...terminal import Terminal
from ...units import format_bytes
from .locating import located
from .offload import Devices, GpuLayers, parse_offload

MAX_THREADS = 512
"""llama.cpp's limit: GGML_MAX_N_THREADS in ggml.h."""


def complete_quantization(incomplete: str) -> list[tuple[str, str]]:
    """Return the quantizations that match, in the case that was typed, with their sizes."""
    names = [
        (entry.quantization.lower() if incomplete.islower() else entry.quantization, entry.size)
        for entry in CATALOG
    ]
    return [(name, format_bytes(size)) for name, size in names if name.startswith(incomplete)]


def complete_model(incomplete: str) -> list[tuple[str, str]]:
    """Return `demo`, imported models and GGUF files that match, or else leave it to the shell."""
    folder, _, beginning = incomplete.rpartition("/")
    shown = f"{folder}/" if "/" in incomplete else ""
    try:
        found = [
            (f"{shown}{path.name}", format_bytes(path.stat().st_size))
            for path in sorted(own_path(shown or ".").iterdir())
            if path.name.startswith(beginning) and path.suffix.lower() == ".gguf"
        ]
    except OSError:
        found = []
    named = [(DEMO, "the small bundled model"), *((name, "imported") for name in _imported())]
    return [each for each in named if each[0].startswith(incomplete)] + found


def _imported() -> list[str]:
    try:
        return [name for name in imported(os.environ) if None not in files(os.environ, name)]
    except DistilError:
        return []


def _labels(quantizations: list[str]) -> set[str]:
    return {each.upper() for each in quantizations}


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether an option is on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _if_given(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Leave the environment and the default to `models.choice`; both are here for the help."""
    return value if parameter.name and is_given(context, parameter.name) else None


def _is_named(quantization: str | list[str] | None) -> bool:
    """Return whether a person has chosen the quantization."""
    return bool(quantization or os.environ.get(QUANT_VARIABLE))


def quant_option(help_text: str, default: str | bool = True) -> Any:
    """Return ``--quant`` with its own help text."""
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
        autocompletion=complete_model,
        callback=_if_given,
    )


Quant = Annotated[
    str | None,
    quant_option("Quantization (case-insensitive); downloaded if it is missing."),
]
Quants = Annotated[
    list[str] | None,
    quant_option("Quantization (case-insensitive); can be repeated.", DEFAULT_QUANTIZATION),
]
QuantArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUANT...",
        help="Quantizations (case-insensitive), as with --quant.",
        show_default=False,
        autocompletion=complete_quantization,
    ),
]
ModelPath = Annotated[
    str | None,
    _model_option("Your own GGUF file, an imported model, or `demo` for the small bundled one."),
]
ModelPaths = Annotated[
    list[str] | None,
    _model_option("Your own GGUF file, an imported model, or `demo`; can be repeated."),
]
Repository = Annotated[
    str | None,
    typer.Option(
        "--repo",
        metavar="OWNER/NAME",
        help="Hub repository of the model.",
        callback=_if_given,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="REVISION",
        help="Branch, tag or commit of the repository.",
        show_default="the commit that distil knows; main for other repositories",
    ),
]
Lora = Annotated[
    list[str] | None,
    typer.Option(
        "--lora",
        metavar="FILE[:SCALE]",
        help="LoRA adapter, a GGUF file or an imported one, with its scale (1); can be repeated.",
        show_default=False,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never contact the Hub.")]
Threads = Annotated[
    str,
    typer.Option(metavar="N", help="Number of threads; auto tunes itself while running."),
]
FlashAttention = Annotated[
    bool,
    typer.Option(
        "--flash-attention",
        help="Faster, but after 256 tokens the text can depend on --threads.",
    ),
]
EveryCached = Annotated[bool, typer.Option("--all", help="All downloaded quantizations.")]


@dataclass(frozen=True)
class FileOptions:
    """The options of a command that needs one model file."""

    quant: Quant = DEFAULT_QUANTIZATION
    model: ModelPath = None
    repo: Repository = REPOSITORY
    revision: Revision = None
    offline: Offline = False

    def choose(self) -> ModelFile | ModelReference:
        """Return the file, or the reference to it on the Hub.

        Raises:
            DistilError: there is no such file, or its name is not valid.
        """
        return choose_model(os.environ, self.model, self.quant, self.repo, self.revision)

    def locate(self, terminal: Terminal) -> ModelFile:
        """Return the file, downloaded if it is missing; its loading is shown until it is over.

        Raises:
            DistilError: there is no such file, or it could not be downloaded.
        """
        chosen, named = self.choose(), _is_named(self.quant)
        file = located(terminal, chosen, offline=self.offline, named=named)
        terminal.begin_waiting(f"Loading {file.name}…")
        return file


@dataclass(frozen=True)
class AdapterOptions:
    """What is added to the weights of the model."""

    lora: Lora = None

    @property
    def adapters(self) -> tuple[AdapterFile, ...]:
        """The adapters.

        Raises:
            UsageError: an option is not valid.
            ModelUnavailableError: a file isn't there, or can't be read.
        """
        return own_adapters(os.environ, self.lora or ())


@dataclass(frozen=True)
class AdaptedFileOptions(AdapterOptions, FileOptions):
    """The options of a command that needs one model file with its adapters."""

    def locate(self, terminal: Terminal) -> ModelFile:
        """Return the file with its adapters; as `FileOptions.locate`."""
        adapters = self.adapters
        return replace(super().locate(terminal), adapters=adapters)


@dataclass(frozen=True)
class FilesOptions(AdapterOptions):
    """The options of a command that compares model files; adapters are those of each."""

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
        adapters = self.adapters
        chosen = choose_models(
            os.environ, self.model or (), self.quant or (), self.repo, self.revision
        )
        named = _is_named(self.quant)
        files = [located(terminal, each, offline=self.offline, named=named) for each in chosen]
        return [replace(file, adapters=adapters) for file in files]


@dataclass(frozen=True)
class CacheOptions:
    """The arguments and options of a command that works on the Hub's files and the cache."""

    names: QuantArguments = None
    quant: Quants = None
    every: EveryCached = False
    repo: Repository = REPOSITORY
    revision: Revision = None

    def __post_init__(self) -> None:
        """Refuse options that exclude each other."""
        if self.names and self.quant and _labels(self.names) != _labels(self.quant):
            raise UsageError(
                f"The arguments name {' '.join(self.names)}, and --quant {' '.join(self.quant)}.",
                "Leave out --quant, and name all of them as arguments.",
            )
        if (self.names or self.quant) and self.every:
            given = "--quant" if self.quant else "QUANT"
            raise UsageError(f"{given} and --all can't be combined.", "Use one of them.")

    @property
    def repository(self) -> str:
        """The repository of ``--repo``, or the catalog's."""
        return REPOSITORY if self.repo is None else self.repo

    def references(self) -> list[ModelReference]:
        """Return what the options name, if they are not for all quantizations.

        Raises:
            UsageError: a name is not valid.
        """
        named = self.names or self.quant or ()
        return choose_references(os.environ, named, self.repo, self.revision)


@dataclass(frozen=True)
class ThreadOptions:
    """How many threads compute."""

    threads: Threads = "auto"

    def __post_init__(self) -> None:
        """Refuse what is not a number of threads."""
        parse_threads(self.threads)

    @property
    def thread_count(self) -> int | None:
        """The number of threads; None to choose it while running."""
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
            UsageError: an option is not valid.
            NoDeviceError: the options ask for a device that does not exist.
        """
        return parse_offload(self.gpu_layers, self.device)


@dataclass(frozen=True)
class ComputeOptions(GpuOptions, ThreadOptions):
    """How the model computes."""


@dataclass(frozen=True)
class ModelOptions(ComputeOptions, AdaptedFileOptions):
    """The options of a command that computes with one model."""


def parse_threads(value: str) -> int | None:
    """Return a number of threads, or None for ``auto``.

    Raises:
        UsageError: it is neither.
    """
    if value == "auto":
        return None
    if value.isdecimal() and len(value) <= 3 and 0 < int(value) <= MAX_THREADS:
        return int(value)
    raise UsageError(
        f"--threads can't be {value}.", f"Use auto, or a number from 1 to {MAX_THREADS}."
    )
