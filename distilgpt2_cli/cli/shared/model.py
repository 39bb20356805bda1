"""The model of a command that loads one: its options, and where its file is."""

from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from ...errors import ModelUnavailableError, UsageError
from ...models import DEMO, ModelFile, ModelReference, demo, download, find, local, sha256
from ...terminal import Terminal
from .options import complete_quantization

Quant = Annotated[
    str,
    typer.Option(
        "--quant",
        "-q",
        envvar="DISTIL_QUANT",
        metavar="NAME",
        help="The quantization, in any case; downloaded first if it is missing.",
        autocompletion=complete_quantization,
    ),
]
ModelPath = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        envvar="DISTIL_MODEL",
        metavar="PATH",
        help="A GGUF file of your own instead, or demo for the very small model that comes along.",
        show_default=False,
    ),
]
ModelPaths = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="PATH",
        help="A GGUF file of your own, or demo; may be given several times.",
        show_default=False,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the Hub.")]


def name_model(
    context: typer.Context, model: str | None, quant: str, repo: str, revision: str | None
) -> ModelFile | ModelReference:
    """Return the file of ``--model``, or what the other options name on the Hub.

    An option beats an environment variable, and ``DISTIL_MODEL`` beats ``DISTIL_QUANT``.

    Raises:
        UsageError: ``--model`` stands beside an option that names a file on the Hub.
        DistilError: there is no such file, or there can't be.
    """
    from_hub = [name for name in ("quant", "repo", "revision") if is_given(context, name)]
    if from_hub and is_given(context, "model"):
        raise UsageError(
            f"--model and --{from_hub[0]} can't be combined.",
            "Use --model for a file of your own, or the other for one on the Hub.",
        )
    if model is not None and not from_hub:
        return demo() if model == DEMO else local(Path(model))
    return ModelReference(quant, repo, revision)


def locate(
    terminal: Terminal,
    context: typer.Context,
    model: str | None,
    quant: str,
    repo: str,
    revision: str | None,
    offline: bool,
) -> ModelFile:
    """Return the file of the model that the options name, downloaded if it is missing.

    Raises:
        UsageError: as `name_model`.
        DistilError: there is no such file, or it could not be downloaded.
    """
    reference = name_model(context, model, quant, repo, revision)
    if isinstance(reference, ModelFile):
        return reference
    file = find(reference)
    if file is not None:
        return file
    try:
        if offline or _hub_is_forbidden():
            raise ModelUnavailableError(
                f"{reference.quantization} of {reference.repository} is not downloaded, and distil"
                " was told to stay offline.",
                f"Run `{reference.download_command}` when online.",
            )
        return download(reference, progress=terminal.progress, notice=terminal.notice)
    except ModelUnavailableError as error:
        raise _with_demo_for_now(error, reference) from error


@cache
def model_record(file: ModelFile) -> dict[str, str | None]:
    """Return what JSON says of a model file, which is hashed for it at most once a run."""
    return {
        "name": file.name,
        "path": str(file.path),
        "repository": file.repository,
        "revision": file.revision,
        "sha256": file.sha256 or sha256(file.path),
    }


def _with_demo_for_now(
    error: ModelUnavailableError, reference: ModelReference
) -> ModelUnavailableError:
    later = reference.download_command
    remedy = error.remedy if later in error.remedy else f"{error.remedy} Later, run `{later}`."
    return ModelUnavailableError(error.what, f"{remedy} For now, --model demo needs no network.")


def is_given(context: typer.Context, name: str) -> bool:
    """Tell whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _hub_is_forbidden() -> bool:
    from huggingface_hub.constants import is_offline_mode

    return is_offline_mode()
