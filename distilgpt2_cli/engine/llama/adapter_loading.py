"""LoRA adapters loaded for a model, after a check of all that llama.cpp would not survive.

llama.cpp reads an adapter's metadata with functions that end the process where a value has another
type, and finds that two matrices can't be multiplied only when it computes.
"""

import ctypes
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import DistilError, ModelDamagedError
from . import gguf, log, reports
from .adapters import AdaptedFile, Adapter
from .bindings import lib

_A, _B = ".lora_a", ".lora_b"
_ARCHITECTURE = "general.architecture"
_NORM = "_norm.weight"
_EMBEDDINGS, _OUTPUT, _POSITIONS = "token_embd.weight", "output.weight", "position_embd.weight"
_TYPES = (
    "f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0",
    "q2_K", "q3_K", "q4_K", "q5_K", "q6_K",
)  # fmt: skip
"""The types of matrices that llama.cpp multiplies with on every processor."""

_REMEDY = "Check that it is a complete GGUF file of a LoRA adapter."
_CONVERT = "Convert the adapter again."
_OTHER_BASE = "Use it with the model that it was trained for."

# llama.cpp keeps the adapters of a context in a std::unordered_map by their addresses, and adds
# them up in its order. In GNU's library that is the reverse order of insertion, unless two are in
# one of its first 13 buckets: the remainder of an address, which would be left to chance.
_BUCKETS = 13
_SURE_OF_ORDER = 2  # so many have this order wherever they are
_TRIES = 64  # an allocator may give addresses of one remainder only


def load_adapters(model: Any, file: AdaptedFile) -> tuple[list[Any], list[str]]:
    """Load the adapters of a file.

    Args:
        model: the ``llama_model`` of the file.
        file: with its adapters.

    Returns:
        A ``llama_adapter_lora`` for each adapter, freed with the model, and sentences about them.

    Raises:
        ModelDamagedError: an adapter is damaged, or does not fit the model.
        DistilError: there is not enough memory.
    """
    architecture, base = _model(file.path)
    warnings: list[str] = []
    for path in dict.fromkeys(adapter.path for adapter in file.adapters):
        warnings += _check(path, architecture, base)
    pointers = [_load(model, file, adapter) for adapter in file.adapters]
    if len(pointers) > _SURE_OF_ORDER and not _spread(model, file, pointers):
        warnings.append(
            "The adapters may be added up in another order in another run, with other last bits."
        )
    return pointers, warnings


def _spread(model: Any, file: AdaptedFile, pointers: list[Any]) -> bool:
    """Load adapters again until all of them are in different buckets, and return whether they are.

    What is loaded and not used keeps its place until the end, so that each try has another one.
    """
    taken: set[int] = set()
    unused, spacers = [], []
    for number, adapter in enumerate(file.adapters):
        for tries in range(_TRIES):
            if _bucket(pointers[number]) not in taken:
                break
            unused.append(pointers[number])
            spacers.append(ctypes.create_string_buffer(1024 + 16 * tries))
            pointers[number] = _load(model, file, adapter)
        taken.add(_bucket(pointers[number]))
    for pointer in unused:
        lib.llama_adapter_lora_free(pointer)
    return len(taken) == len(pointers)


def _load(model: Any, file: AdaptedFile, adapter: Adapter) -> Any:
    log.start()
    pointer = lib.llama_adapter_lora_init(model, os.fsencode(adapter.path))
    if not pointer:
        raise reports.refused_adapter(adapter.path, file.path, log.reason())
    return pointer


def _bucket(pointer: Any) -> int:
    return int(ctypes.cast(pointer, ctypes.c_void_p).value or 0) % _BUCKETS


def _model(path: Path) -> tuple[object, Mapping[str, gguf.Tensor]]:
    """Return a model's architecture, and its tensors."""
    with gguf.opened(path) as opened:
        metadata = dict(gguf.metadata_of(opened))
        tensors = {tensor.name: tensor for tensor in gguf.all_tensors(path, opened, metadata)}
    return metadata.get(_ARCHITECTURE), tensors


def _check(path: Path, architecture: object, base: Mapping[str, gguf.Tensor]) -> list[str]:
    """Check that llama.cpp can load and apply an adapter, and return sentences about it.

    Args:
        path: the adapter's file.
        architecture: that of the model.
        base: the tensors of the model.

    Raises:
        ModelDamagedError: it can't.
    """
    with gguf.opened(path, _REMEDY) as opened:
        _check_metadata(path, opened, architecture)
        tensors = {tensor.name: tensor for tensor in gguf.tensors_of(opened)}
    for name, a, b in _pairs(path, tensors):
        _check_pair(path, name, (a, b), base)
    norms = sum(not name.endswith((_A, _B)) for name in tensors)
    if not norms:
        return []
    return [f"{path.name} also has {norms} layer norms, which llama.cpp does not apply."]


def _check_metadata(path: Path, opened: ctypes.c_void_p, architecture: object) -> None:
    metadata = dict(gguf.metadata_of(opened))
    for key, expected in (("general.type", "adapter"), ("adapter.type", "lora")):
        value = metadata.get(key)
        if value != expected:
            raise _refusal(
                path,
                f"is not a LoRA adapter: its {key} is"
                f" {repr(value) if isinstance(value, str) else 'not a text'}"
                if key in metadata
                else f"is not a LoRA adapter: it has no {key}",
                "Use the GGUF file of a LoRA adapter.",
            )
    trained_for = metadata.get(_ARCHITECTURE)
    if not isinstance(trained_for, str):
        raise _refusal(path, "does not name the architecture of its model", _CONVERT)
    if trained_for != architecture:
        raise _refusal(
            path,
            f"is for models of the architecture {trained_for!r}, and this one is {architecture!r}",
            _OTHER_BASE,
        )
    alpha = metadata.get("adapter.lora.alpha", 0.0)
    kind = gguf.type_of(opened, "adapter.lora.alpha")
    if kind not in (None, "f32") or not isinstance(alpha, float) or not math.isfinite(alpha):
        raise _refusal(path, "has an adapter.lora.alpha that is not a finite f32 number", _CONVERT)
    if "adapter.alora.invocation_tokens" in metadata:
        raise _refusal(
            path,
            "is an activated LoRA adapter (aLoRA), which applies only after certain tokens",
            "Use a plain LoRA adapter.",
        )


def _pairs(
    path: Path, tensors: Mapping[str, gguf.Tensor]
) -> Iterator[tuple[str, gguf.Tensor, gguf.Tensor]]:
    """Yield the names of the weights that an adapter changes, and its two matrices for each."""
    found = False
    for name in tensors:
        weight = name.removesuffix(_A).removesuffix(_B)
        if weight == name:
            if not name.endswith(_NORM):
                raise _refusal(path, f"has a tensor {name!r}, which no LoRA adapter has", _REMEDY)
            continue
        # llama.cpp leaves out the endings wherever they are.
        if _A in weight or _B in weight:
            raise _refusal(path, f"has a tensor {name!r}, which no LoRA adapter has", _REMEDY)
        a, b = tensors.get(weight + _A), tensors.get(weight + _B)
        if a is None or b is None:
            raise _refusal(path, f"has only one of the two matrices for {weight!r}", _REMEDY)
        if name.endswith(_A):
            found = True
            yield weight, a, b
    if not found:
        raise _refusal(path, "changes no weight", _REMEDY)


def _check_pair(
    path: Path, name: str, pair: tuple[gguf.Tensor, gguf.Tensor], base: Mapping[str, gguf.Tensor]
) -> None:
    """Check what llama.cpp does not check before it computes."""
    weight = base.get(name)
    if weight is None:
        raise _refusal(path, f"changes {name!r}, which the model does not have", _OTHER_BASE)
    for tensor in pair:
        if tensor.type not in _TYPES:
            raise _refusal(path, f"has a matrix of the type {tensor.type}", _CONVERT)
        if not tensor.elements:
            raise _refusal(path, f"has an empty matrix for {name!r}", _CONVERT)
    if len(weight.shape) < 2 or name == _POSITIONS:
        raise _refusal(
            path, f"changes {name!r}, which llama.cpp can't apply", "Train it without this tensor."
        )
    if name == _EMBEDDINGS and _OUTPUT not in base:
        raise _refusal(
            path,
            f"changes {name!r}, which is also the output layer of this model: llama.cpp can't"
            " apply that",
            f"Use a model file that has its own {_OUTPUT}, or train it without the embeddings.",
        )
    a, b = (_four(tensor.shape) for tensor in pair)
    columns, rows, *experts = _four(weight.shape)
    # The matrices of the embeddings are the other way round: their rows are looked up.
    wanted = (
        ([a[0], rows], [a[0], columns])
        if name.endswith(_EMBEDDINGS)
        else ([columns, a[1]], [a[1], rows])
    )
    if (a, b) != tuple([*sizes, *experts] for sizes in wanted):
        shapes = " and ".join("x".join(map(str, tensor.shape)) for tensor in pair)
        raise _refusal(
            path,
            f"has matrices of {shapes} for {name!r}, which has"
            f" {'x'.join(map(str, weight.shape))}: it does not fit the model",
            _OTHER_BASE,
        )


def _four(shape: Sequence[int]) -> list[int]:
    return [*shape, *[1] * (4 - len(shape))]


def _refusal(path: Path, reason: str, remedy: str) -> DistilError:
    return ModelDamagedError(f"The adapter {path} {reason}.", remedy)
