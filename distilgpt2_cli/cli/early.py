"""A first look at the command line, before it is parsed, for work that can start at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..engine.llama.adapters import Adapter
    from ..engine.llama.placement import Offload

_WITH_A_MODEL = (
    "generate", "write", "tokenize", "next", "score", "choose", "features", "lens", "probe",
    "batch",
)  # fmt: skip
_MODEL, _QUANT = ("--model", "-m"), ("--quant", "-q")
_LORA = ("--lora",)
_GPU_LAYERS, _DEVICE = ("--gpu-layers",), ("--device",)
# With these, the model is not known yet, or none is needed.
_LEAVE_ALONE = ("--repo", "--revision", "--help", "-h")


def begin_early(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start to load the model that the command will most likely use.

    A wrong guess only costs time: the command chooses its model itself, and uses the loaded one
    only if it is the same file.
    """
    path = likely_model(arguments, environment)
    if path is not None:
        from ..engine.llama.adapters import AdaptedFile
        from ..engine.llama.loading import load_early

        adapters = likely_adapters(arguments, environment)
        if adapters is not None:
            load_early(AdaptedFile(path, adapters), likely_offload(arguments, environment))


def likely_model(arguments: Sequence[str], environment: Mapping[str, str]) -> Path | None:
    """Return the file of the command's model, or None if it is missing or not known."""
    if not arguments or arguments[0] not in _WITH_A_MODEL:
        return None
    if any(argument.split("=")[0] in _LEAVE_ALONE for argument in arguments):
        return None
    from ..errors import DistilError
    from ..models import ModelFile, find
    from ..models.choice import choose_model

    try:
        chosen = choose_model(environment, _value(arguments, _MODEL), _value(arguments, _QUANT))
        file = chosen if isinstance(chosen, ModelFile) else find(chosen)
    except DistilError:
        return None
    return file.path if file else None


def likely_adapters(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> "tuple[Adapter, ...] | None":
    """Return the adapters of the command's model, or None if they can't be loaded."""
    texts = _values(arguments, _LORA)
    if not texts:
        return ()
    from ..engine.llama.adapters import Adapter
    from ..errors import DistilError
    from ..models.choice import own_adapters

    try:
        return tuple(Adapter(each.path, each.scale) for each in own_adapters(environment, texts))
    except DistilError:
        return None


def likely_offload(arguments: Sequence[str], environment: Mapping[str, str]) -> "Offload":
    """Return where the command will most likely want the model's layers."""
    from ..engine.llama.placement import AUTO, CPU_ONLY, Offload
    from ..errors import DistilError

    if arguments[0] == "tokenize":
        return CPU_ONLY
    layers = _value(arguments, _GPU_LAYERS) or environment.get("DISTIL_GPU_LAYERS") or "auto"
    try:
        return Offload.parse(layers, _values(arguments, _DEVICE))
    except DistilError:
        return AUTO


def _value(arguments: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the last value of an option."""
    values = _values(arguments, names)
    return values[-1] if values else None


def _values(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the values of an option that has a long name and may have a short one."""
    long, *short = names
    values = []
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        if argument in names:
            values += [] if following is None else [following]
        elif argument.startswith(f"{long}="):
            values.append(argument.partition("=")[2])
        elif short and argument.startswith(short[0]):
            values.append(argument.removeprefix(short[0]))
    return values
