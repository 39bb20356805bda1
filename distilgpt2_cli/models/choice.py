"""Which model a command uses: what its options name, or the environment, or else the default."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import ModelUnavailableError, UsageError
from ..files import own_path
from . import imported
from .catalog import CATALOG, DEFAULT_QUANTIZATION, REPOSITORY
from .reference import (
    DEMO,
    AdapterFile,
    ModelFile,
    ModelReference,
    demo,
    local,
    local_adapter,
)

MODEL_VARIABLE = "DISTIL_MODEL"
"""The environment variable that stands for ``--model``."""
QUANT_VARIABLE = "DISTIL_QUANT"
"""The environment variable that stands for ``--quant``."""


def choose_model(
    environment: Mapping[str, str],
    model: str | None = None,
    quantization: str | None = None,
    repository: str | None = None,
    revision: str | None = None,
) -> ModelFile | ModelReference:
    """Return the one model of a command; the arguments are those of `choose_models`."""
    (chosen,) = choose_models(
        environment,
        [] if model is None else [model],
        [] if quantization is None else [quantization],
        repository,
        revision,
    )
    return chosen


def choose_models(
    environment: Mapping[str, str],
    models: Sequence[str] = (),
    quantizations: Sequence[str] = (),
    repository: str | None = None,
    revision: str | None = None,
) -> list[ModelFile | ModelReference]:
    """Return the models of a command: its options, or ``DISTIL_MODEL``, or `choose_references`.

    Args:
        environment: of the process; an empty variable counts as unset.
        models: paths of GGUF files, names of imported models, or `DEMO`.
        quantizations: of files on the Hub or of imported models, in any case.
        repository: on the Hub; None where the command line names none, as in ``revision``.
        revision: a branch, tag or commit.

    Raises:
        UsageError: ``models`` stands beside something that names a file on the Hub, or a name
            can't be one.
        ModelUnavailableError: a file isn't there, or can't be read.
    """
    from_hub = {"--quant": quantizations or None, "--repo": repository, "--revision": revision}
    named = [option for option, value in from_hub.items() if value is not None]
    if models and named and not (named == ["--quant"] and _are_imported(environment, models)):
        raise UsageError(
            f"--model and {named[0]} can't be combined.",
            "Use --model for a file of your own, or the other for one on the Hub.",
        )
    if not models and not named and environment.get(MODEL_VARIABLE):
        models = [environment[MODEL_VARIABLE]]
    if models:
        return [
            own_model(environment, name, quantization)
            for name in models
            for quantization in (quantizations or (None,))
        ]
    return list(choose_references(environment, quantizations, repository, revision))


def choose_references(
    environment: Mapping[str, str],
    quantizations: Sequence[str] = (),
    repository: str | None = None,
    revision: str | None = None,
) -> list[ModelReference]:
    """Return files on the Hub: those of the options, of ``DISTIL_QUANT``, or the default.

    Raises:
        UsageError: a name can't be one.
    """
    default = environment.get(QUANT_VARIABLE) or DEFAULT_QUANTIZATION
    return [
        ModelReference(quantization, REPOSITORY if repository is None else repository, revision)
        for quantization in quantizations or [default]
    ]


def own_model(
    environment: Mapping[str, str], name: str, quantization: str | None = None
) -> ModelFile:
    """Return the file of ``--model``: at a path, of an imported model, or the bundled one.

    A file stands above an imported model, and that above a folder, of the same name.

    Raises:
        UsageError: the name is empty.
        ModelUnavailableError: the file isn't there, or can't be read; or the model was not imported
            with that quantization.
    """
    if not name:
        raise UsageError("--model is empty.", f"Name a GGUF file, or {DEMO}.")
    if name == DEMO:
        return demo()
    path = own_path(name)
    if not path.exists() or path.is_dir():
        default = environment.get(QUANT_VARIABLE)
        found = imported.choose(environment, name, quantization, default)
        if found:
            return local(found)
        _refuse_other_names(name)
        _refuse_checkpoint(path, "config.json", "a model of transformers")
    return local(path)


def own_adapters(environment: Mapping[str, str], texts: Sequence[str]) -> tuple[AdapterFile, ...]:
    """Return the adapters of every ``--lora``; for a file named again, the scales add up.

    Raises:
        UsageError: a text is empty, or its scale is not a number.
        ModelUnavailableError: a file isn't there, or can't be read.
    """
    found: dict[str, AdapterFile] = {}
    for text in texts:
        adapter = own_adapter(environment, text)
        place = os.path.realpath(adapter.path)
        if place in found:
            adapter = replace(found[place], scale=found[place].scale + adapter.scale)
        found[place] = adapter
    return tuple(found.values())


def own_adapter(environment: Mapping[str, str], text: str) -> AdapterFile:
    """Return the adapter of ``--lora FILE[:SCALE]``, where an imported one has a name.

    A file's name may have colons: the whole text is a name if there is such a file.

    Raises:
        UsageError: the text is empty, or the scale is not a number.
        ModelUnavailableError: the file isn't there, or can't be read.
    """
    if not text:
        raise UsageError("--lora is empty.", "Name the GGUF file of an adapter.")
    name, _, scale = text.rpartition(":")
    whole = _adapter_path(environment, text)
    if whole.exists() or not name:
        return local_adapter(whole)
    path = _adapter_path(environment, name)
    try:
        number = float(scale)
    except ValueError:
        if not path.exists():
            return local_adapter(whole)  # which says that it isn't there
        raise UsageError(
            f"The scale of the adapter {name} can't be {scale!r}.",
            "Use a number after the colon, or leave out both.",
        ) from None
    return local_adapter(path, number)


def _adapter_path(environment: Mapping[str, str], name: str) -> Path:
    """Return the path of an adapter, which need not be there: as `own_model` does for models."""
    path = own_path(name)
    if path.exists() and not path.is_dir():
        return path
    found = imported.files(environment, name).get(None)
    if found is None:
        _refuse_checkpoint(path, "adapter_config.json", "an adapter of PEFT")
    return found or path


def _are_imported(environment: Mapping[str, str], models: Sequence[str]) -> bool:
    return all(
        not own_path(name).is_file() and imported.files(environment, name) for name in models
    )


def _refuse_checkpoint(path: Path, config: str, kind: str) -> None:
    """Refuse a folder that must be imported first."""
    if (path / config).is_file():
        raise ModelUnavailableError(
            f"{path} is a folder with {kind}.", f"Import it with `distil import {path}`."
        )


def _refuse_other_names(name: str) -> None:
    """Refuse what is no file, and most likely meant otherwise."""
    quantizations = [entry.quantization for entry in CATALOG]
    if name.lower() == DEMO:
        remedy = f"Use --model {DEMO} for the bundled model."
    elif name.upper() in quantizations:
        remedy = f"Use --quant {name} for this quantization of DistilGPT2."
    else:
        return
    raise ModelUnavailableError(f"There is no model file {name}.", remedy)
