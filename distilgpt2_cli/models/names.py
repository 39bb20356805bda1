"""Quantizations in the file names of a repository; none of the names is trusted."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from ..errors import ModelUnavailableError, UsageError

# As llama.cpp names them: Q4_K_M, Q8_0, IQ4_XS, Q4_0_8_8, TQ1_0, F16 and so on.
_LABEL = r"(?:(?:I|T)?Q[1-9](?:_(?:[0-9]|K|XXS|XS|S|M|L|XL|NL))+|MXFP4|BF16|FP?16|FP?32)"
_QUANTIZATION = re.compile(_LABEL)
_IN_NAME = re.compile(rf"(?<![A-Z0-9])({_LABEL})(?![A-Z0-9])")
_AT_END = re.compile(rf"[._-]{_LABEL}$", re.IGNORECASE)
_PART = re.compile(r"-(\d{5})-of-(?!0{5})(\d{5})\.gguf$", re.IGNORECASE)
# What stands beside models: projectors of images, and the statistics that quantizing uses.
_NO_MODEL = re.compile(r"(?<![A-Z0-9])MMPROJ(?![A-Z0-9])|^IMATRIX|\.IMATRIX$")
_ENDING = ".gguf"
_NOTHING = "no GGUF file with a quantization in its name"


def check_quantization(label: str) -> str:
    """Return a quantization in capitals.

    Raises:
        UsageError: it is not formed like the name of a quantization.
    """
    if not _QUANTIZATION.fullmatch(label.upper()):
        raise UsageError(
            f"{label!r} is not the name of a quantization.",
            "Use a name such as Q4_K_M, Q8_0 or F16.",
        )
    return _normal(label)


def parts(name: str) -> list[str]:
    """Return the names of all parts of a split model, one of which has this name; or just it."""
    found = _PART.search(name)
    if not found:
        return [name]
    start, end = name[: found.start(1)], name[found.end(1) :]
    return [f"{start}{number:05}{end}" for number in range(1, int(found[2]) + 1)]


def without_quantization(name: str) -> str:
    """Return a file name without its ending, its number as a part, and a quantization before."""
    whole = _PART.sub("", name)
    stem = whole[: -len(_ENDING)] if whole.lower().endswith(_ENDING) else whole
    return _AT_END.sub("", stem) or stem


def models(names: Iterable[str]) -> dict[str, str]:
    """Return the quantization of each GGUF file that has one in its name, sorted by name.

    Parts of a split model are left out, and so are projectors (``mmproj``), importance matrices
    (``imatrix``), and names that would lead out of their folder.
    """
    return {name: label for name, label in _labelled(names).items() if not _PART.search(name)}


def _labelled(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        if (
            path.suffix.lower() == _ENDING
            and not _NO_MODEL.search(path.stem.upper())
            and _stays_inside(path, name)
            and (label := _label(path))
        ):
            found[name] = label
    return found


def _label(path: PurePosixPath) -> str | None:
    """Return the last quantization in the file's name; without one, that of its folder."""
    for part in (path.stem, path.parent.name):
        if labels := _IN_NAME.findall(part.upper()):
            return _normal(labels[-1])
    return None


def _normal(label: str) -> str:
    """Return a quantization in capitals, as llama.cpp calls it: F16 for fp16."""
    return label.upper().replace("FP16", "F16").replace("FP32", "F32")


def quantizations(names: Iterable[str], repository: str) -> list[str]:
    """Return every quantization that the files of a repository have.

    Raises:
        ModelUnavailableError: no file has one in its name.
    """
    labels = sorted(set(models(names).values()))
    if not labels:
        raise ModelUnavailableError(
            f"{repository} has {_NOTHING}.", "Choose another repository with --repo."
        )
    return labels


def choose(names: Iterable[str], quantization: str, repository: str) -> str:
    """Return the one file name of a quantization.

    Raises:
        ModelUnavailableError: none or several have it; the message lists the files.
    """
    names = list(names)
    labelled = models(names)
    matching = [name for name, label in labelled.items() if label == quantization]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ModelUnavailableError(
            f"{repository} has several {quantization} files: {', '.join(matching)}.",
            "Download the one you want yourself, and give its path with --model.",
        )
    in_parts = [name for name, label in _labelled(names).items() if label == quantization]
    if in_parts:
        raise ModelUnavailableError(
            f"{repository} has {quantization} only in parts: {', '.join(in_parts)}.",
            "Download all of them yourself, and give the path of the first with --model.",
        )
    listing = ", ".join(labelled) or _NOTHING
    raise ModelUnavailableError(
        f"{repository} has no {quantization} file; it has {listing}.",
        "Choose one of its quantizations with --quant, or another repository with --repo.",
    )


def _stays_inside(path: PurePosixPath, name: str) -> bool:
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name
