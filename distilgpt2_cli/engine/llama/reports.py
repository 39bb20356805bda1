"""What is said of a model's file that llama.cpp refuses, or warns about."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import DistilError, ModelDamagedError

_NO_MEMORY = re.compile(
    r"cannot allocate memory|bad_alloc|failed to allocate|unable to allocate", re.I
)
_NOT_SUPPORTED = re.compile(r"unknown (model architecture|(pre-)?tokenizer)")
_OTHER_BASE = re.compile(r"arch mismatch|wrong base model")
# What llama.cpp says in several lines if the pre-tokenizer is missing.
_BANNER = re.compile(r"missing pre-tokenizer|\*\*\*\*|QUALITY WILL BE|CONSIDER REGENERATING|^$")
_MOST_WARNINGS = 3


def refused(path: str | os.PathLike[str], reason: str) -> DistilError:
    """Return the error of a file that can't be loaded, for llama.cpp's own reason."""
    name = os.fspath(path)
    if _NO_MEMORY.search(reason):
        return DistilError(
            f"There is not enough memory to load {name}: {reason}.",
            "Close other programs, or use a smaller model.",
        )
    remedy = "Check that it is a whole GGUF file of a language model, or download it again."
    if _NOT_SUPPORTED.search(reason):
        remedy = "Update llama-cpp-python, or use another file of the model."
    return ModelDamagedError(f"llama.cpp can't load {name}: {reason}.", remedy)


def refused_adapter(
    path: str | os.PathLike[str], model: str | os.PathLike[str], reason: str
) -> DistilError:
    """Return the error of an adapter that a model can't have, for llama.cpp's own reason."""
    name = os.fspath(path)
    if _NO_MEMORY.search(reason):
        return DistilError(
            f"There is not enough memory to load the adapter {name}: {reason}.",
            "Close other programs, or use a smaller adapter.",
        )
    remedy = "Check that it is a complete GGUF file of a LoRA adapter."
    if _OTHER_BASE.search(reason):
        remedy = "Use it with the model that it was trained for."
    return ModelDamagedError(
        f"llama.cpp can't use the adapter {name} with {os.fspath(model)}: {reason}.", remedy
    )


def unusable_tokenizer(path: str | os.PathLike[str]) -> ModelDamagedError:
    """Return the error of a file with whose tokenizer llama.cpp fails for some texts."""
    return ModelDamagedError(
        f"{os.fspath(path)} has a tokenizer that fails for some texts.",
        "Convert the model again, or use another file of it.",
    )


def warnings(
    path: str | os.PathLike[str], said: Sequence[str], *, names_pre_tokenizer: bool, is_gpt2: bool
) -> tuple[str, ...]:
    """Return sentences about a file that was loaded.

    Args:
        path: the file.
        said: llama.cpp's own warnings.
        names_pre_tokenizer: whether it says how texts are split before they are tokenized.
        is_gpt2: whether they are split as for GPT-2 if it does not.
    """
    name = Path(path).name
    found = []
    if not names_pre_tokenizer:
        found.append(
            f"{name} doesn't name its pre-tokenizer, so distil uses that of GPT-2."
            if is_gpt2
            else f"{name} doesn't name its pre-tokenizer: its tokens, texts and figures may differ"
            " from those of the original model. Convert the model again."
        )
    rest = [each for each in said if not _BANNER.search(each)]
    if rest:
        more = f"; and {len(rest) - _MOST_WARNINGS} more" if len(rest) > _MOST_WARNINGS else ""
        found.append(f"llama.cpp warns about {name}: {'; '.join(rest[:_MOST_WARNINGS])}{more}.")
    return tuple(found)
