"""Models and adapters that were imported: each a folder, found by its name.

The folder of a model has a file for each quantization, ``NAME.QUANT.gguf``, and that of an adapter
``NAME.lora.gguf``.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import DistilError, ModelUnavailableError, UsageError
from . import names
from .catalog import CATALOG, DEFAULT_QUANTIZATION
from .hub_settings import has_home
from .reference import DEMO

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ADAPTER = ".lora.gguf"


def root(environment: Mapping[str, str]) -> Path:
    """Return the folder of all of them, by the XDG Base Directory Specification.

    Where it would be in the home folder and there is none, it begins with ``~``.
    """
    data = environment.get("XDG_DATA_HOME", "")
    if not Path(data).is_absolute():  # others must be ignored
        data = os.path.expanduser("~/.local/share")  # noqa: PTH111 - it keeps an unknown home
    return Path(data) / "distil" / "models"


def check_home(environment: Mapping[str, str]) -> None:
    """Check, before an import, that there is a place for it.

    Raises:
        DistilError: it would be in the home folder, and there is none.
    """
    if not has_home(root(environment)):
        raise DistilError(
            "There is no home folder for imported models.",
            "Set HOME, or name a folder for data in XDG_DATA_HOME.",
        )


def check_name(name: str) -> None:
    """Check that a model can have a name, which becomes a folder and stands for it in options.

    Raises:
        UsageError: it can't.
    """
    taken = {DEMO, *(entry.quantization.lower() for entry in CATALOG)}
    if not _NAME.fullmatch(name) or name.lower() in taken or name.lower().endswith(".gguf"):
        raise UsageError(
            f"A model can't have the name {name!r}.",
            "Use --name with letters, digits, ., - and _, such as my-model.",
        )


def model_file(environment: Mapping[str, str], name: str, quantization: str) -> Path:
    """Return where a model has its file of a quantization."""
    return root(environment) / name / f"{name}.{quantization}.gguf"


def adapter_file(environment: Mapping[str, str], name: str) -> Path:
    """Return where an adapter has its file."""
    return root(environment) / name / f"{name}{_ADAPTER}"


def imported(environment: Mapping[str, str]) -> list[str]:
    """Return the names of all models and adapters.

    Raises:
        DistilError: their folder can't be read.
    """
    folder = root(environment)
    if not has_home(folder):
        return []
    try:
        found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DistilError(
            f"{folder} can't be read: {error.strerror}.", "Check its owner and permissions."
        ) from error
    return [name for name in found if files(environment, name)]


def files(environment: Mapping[str, str], name: str) -> dict[str | None, Path]:
    """Return the files of a model by their quantizations, or of an adapter by None.

    There are none if nothing of that name was imported.
    """
    folder = root(environment) / name
    if not _NAME.fullmatch(name) or not has_home(folder):
        return {}
    if (path := folder / f"{name}{_ADAPTER}").is_file():
        return {None: path}
    try:
        found = names.models(path.name for path in folder.iterdir())
    except OSError:
        return {}
    return {label: folder / name for name, label in sorted(found.items())}


def choose(
    environment: Mapping[str, str], name: str, quantization: str | None, default: str | None
) -> Path | None:
    """Return the file of an imported model, or None if there is no model of that name.

    Args:
        environment: of the process.
        name: of the model.
        quantization: the one that is wanted, in any case.
        default: the one to take of several, instead of Q4_K_M.

    Raises:
        ModelUnavailableError: the model has not that quantization, or several and none was chosen;
            or it is an adapter.
    """
    own = files(environment, name)
    if None in own:
        raise ModelUnavailableError(
            f"{name} is an adapter, and no model.", f"Use it with --lora {name}."
        )
    found = {label: path for label, path in own.items() if label}
    if not found:
        return None
    wanted = (quantization or default or DEFAULT_QUANTIZATION).upper()
    if wanted in found:
        return found[wanted]
    if quantization is None and len(found) == 1:
        return next(iter(found.values()))
    has = f"{name} was imported as {' and '.join(found)}"
    if quantization:
        raise ModelUnavailableError(
            f"{has}, and not as {quantization}.", f"Use --quant {next(iter(found))}."
        )
    raise ModelUnavailableError(f"{has}.", f"Choose one, such as --quant {next(iter(found))}.")


def remove(path: Path) -> int:
    """Remove a file of a model, and its folder if it is empty then; return the bytes freed.

    Raises:
        OSError: it can't be removed.
    """
    size = path.stat().st_size
    path.unlink()
    with suppress(OSError):
        path.parent.rmdir()
    return size
