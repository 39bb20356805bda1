"""A first look at the command line, before there is a parser, for what can begin at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

_WITH_A_MODEL = ("generate", "tokenize", "next", "score", "features")
_MODEL, _QUANT = ("--model", "-m"), ("--quant", "-q")
# What these ask for is not known here, or needs no model at all.
_LEAVE_ALONE = ("--repo", "--revision", "--help", "-h")


def begin_early(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Let the engine load the model that the command will most likely ask for.

    A wrong guess costs time only: the command looks for itself, and takes what was loaded only if
    it is the same file.
    """
    path = likely_model(arguments, environment)
    if path is not None:
        from ..engine.loading import load_early

        load_early(path)


def likely_model(arguments: Sequence[str], environment: Mapping[str, str]) -> Path | None:
    """Return the file of the command's one model, or None if it isn't there or not known."""
    if not arguments or arguments[0] not in _WITH_A_MODEL:
        return None
    if any(argument.split("=")[0] in _LEAVE_ALONE for argument in arguments):
        return None
    from ..errors import DistilError
    from ..models import DEMO, ModelReference, demo, find
    from ..models.catalog import DEFAULT_QUANTIZATION

    quantization = _value(arguments, _QUANT)
    model = _value(arguments, _MODEL) or (quantization is None and environment.get("DISTIL_MODEL"))
    if model:
        path = demo().path if model == DEMO else Path(model)
        return path if path.is_file() else None
    try:
        chosen = quantization or environment.get("DISTIL_QUANT") or DEFAULT_QUANTIZATION
        file = find(ModelReference(chosen))
    except DistilError:
        return None
    return file.path if file else None


def _value(arguments: Sequence[str], names: tuple[str, str]) -> str | None:
    """Return the last value of an option that has a long and a short name."""
    long, short = names
    value = None
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        if argument in names:
            value = following
        elif argument.startswith(f"{long}="):
            value = argument.partition("=")[2]
        elif argument.startswith(short):
            value = argument.removeprefix(short)
    return value
