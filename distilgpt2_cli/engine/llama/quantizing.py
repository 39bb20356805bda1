"""Model files with fewer bits for each weight, made by llama.cpp's own ``llama_model_quantize``."""

import ctypes
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DistilError, ModelDamagedError, UsageError
from ..quantizations import known_quantization
from . import aborts, bindings, log
from .bindings import call, lib
from .cores import usable_cores
from .gguf import Tensor, read_tensors
from .model import Model
from .placement import CPU_ONLY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BUFFER_BYTES = 2**26  # of a tensor's rows in memory at once; llama.cpp's own limit is 8 GiB
_TENSOR = re.compile(r"^\[ *\d+/ *\d+\] (.*?) +- \[")
_FALLBACK = re.compile(r"(\d+) of (\d+) tensor\(s\) required fallback quantization")
_FAILED = "failed to quantize: "
_STREAM_FAILED = "iostream"  # in what the C++ library says of a stream that can't be written
_TRIAL_TOKENS = 8
_TRIAL_TEXT = "Once upon a time, there was"
_KEY = "quantize.imatrix."  # of llama.cpp's tools/quantize/quantize.cpp
_TEXT_BYTES = 127  # the most that a text in llama_model_kv_override has


@dataclass(frozen=True)
class ImportanceMatrix:
    """How much each column of each weight matrix matters, measured on a text.

    Attributes:
        weights: by the name of the tensor, the mean square of each input of the matrix.
        text: the name of the text.
        chunks: the parts of the text that were evaluated.
    """

    weights: "Mapping[str, NDArray[np.float32]]"
    text: str
    chunks: int


def quantize(
    source: Path,
    target: Path,
    quantization: str,
    *,
    pure: bool,
    importance: ImportanceMatrix | None,
    threads: int | None,
    advance: Callable[[int], object],
) -> tuple[str, ...]:
    """Write a model with other types of weights, and make sure that it can be used.

    llama.cpp may end the process on a damaged file: see `children.quantizing`, which calls this.

    Args:
        source: a GGUF file, or the first one of a split model, with 32-bit or 16-bit floats.
        target: the new file.
        quantization: one of `QUANTIZATIONS`, case-insensitive.
        pure: give all matrices this one type, also where the quantization is a mix of types.
        importance: what matters most.
        threads: by default as many as there are cores; the bytes are the same with any number.
        advance: takes the bytes of each tensor when it is done, and at the end the header's.

    Returns:
        Sentences about what was done differently.

    Raises:
        ParameterError: there is no such quantization.
        UsageError: the source is already quantized.
        ModelDamagedError: llama.cpp can't load the source, or what was made of it.
        OSError: the target can't be written.
        DistilError: llama.cpp can't quantize it.
    """
    name = known_quantization(quantization)
    tensors = check_floats(source)
    params = lib.llama_model_quantize_default_params()
    params.nthread = threads or usable_cores()
    params.ftype = _file_type(name)
    params.pure = pure
    params.max_buf_size = _BUFFER_BYTES
    kept = _add_importance(params, importance) if importance else ()
    progress = _Progress({tensor.name: tensor.bytes for tensor in tensors}, advance)
    log.start(progress.receive)
    bindings.start_backend()
    aborts.install()
    status = lib.llama_model_quantize(
        os.fsencode(source), os.fsencode(target), ctypes.byref(params)
    )
    del kept  # llama.cpp had pointers to it
    notices = tuple(_notices(name, log.warnings()))
    if status != 0:
        raise _failure(source, target, log.reason().removeprefix(_FAILED))
    progress.finish()
    _try(source, target)
    rest = source.stat().st_size - sum(tensor.bytes for tensor in tensors)
    advance(max(rest, 0))  # the header; all of a model in parts has more than its first file
    return notices


class _Progress:
    """Reads in llama.cpp's log which tensor it has begun with."""

    def __init__(self, sizes: Mapping[str, int], advance: Callable[[int], object]) -> None:
        self._sizes = sizes
        self._advance = advance
        self._current = 0

    def receive(self, line: str) -> None:
        if found := _TENSOR.match(line):
            self.finish()
            self._current = self._sizes.get(found[1], 0)

    def finish(self) -> None:
        self._advance(self._current)
        self._current = 0


def check_floats(source: Path) -> Sequence[Tensor]:
    """Return the tensors of a file that can be quantized.

    Raises:
        UsageError: it is already quantized.
        ModelDamagedError: its header can't be read.
    """
    tensors = read_tensors(source)
    quantized = [name for name in dict.fromkeys(each.type for each in tensors) if _is_block(name)]
    if quantized:
        raise UsageError(
            f"{source} is already quantized: it has {', '.join(quantized)}.",
            "Use the F32 or F16 file of the model.",
        )
    return tensors


def _is_block(name: str) -> bool:
    """Return whether a type, such as ``q4_K``, has blocks of weights that share a scale."""
    kind = getattr(lib, f"GGML_TYPE_{name.upper()}", None)
    if kind is None:  # llama.cpp itself refuses it
        return False
    return bool(call("ggml_is_quantized", ctypes.c_bool, ctypes.c_int(kind)))


def _file_type(name: str) -> int:
    """Return the ``llama_ftype`` of a quantization."""
    return int(getattr(lib, f"LLAMA_FTYPE_{'ALL' if name == 'F32' else 'MOSTLY'}_{name}"))


def _add_importance(params: Any, importance: ImportanceMatrix) -> Sequence[object]:
    """Let the parameters point to an importance matrix, and return what must live meanwhile."""
    weights = importance.weights
    entries = (lib.llama_model_imatrix_data * (len(weights) + 1))()  # one without a name ends them
    floats = ctypes.POINTER(ctypes.c_float)
    for entry, (name, values) in zip(entries, weights.items(), strict=False):
        entry.name = name.encode()
        entry.data = values.ctypes.data_as(floats)
        entry.size = values.size
    params.imatrix = entries
    text = _shortened(importance.text)
    texts = {"file": text, "dataset": text}
    numbers = {"entries_count": len(weights), "chunks_count": importance.chunks}
    overrides = (lib.llama_model_kv_override * (len(texts) + len(numbers) + 1))()
    for override, (key, value) in zip(overrides, {**texts, **numbers}.items(), strict=False):
        override.key = f"{_KEY}{key}".encode()
        if isinstance(value, int):
            override.tag = lib.LLAMA_KV_OVERRIDE_TYPE_INT
            override.value.val_i64 = value
        else:
            override.tag = lib.LLAMA_KV_OVERRIDE_TYPE_STR
            override.value.val_str = value
    params.kv_overrides = overrides
    return entries, overrides, weights


def _shortened(text: str) -> bytes:
    """Return as much of a text as a value of the metadata has room for, in whole characters."""
    return text.encode(errors="replace")[:_TEXT_BYTES].decode(errors="ignore").encode()


def _notices(name: str, warnings: Sequence[str]) -> Sequence[str]:
    found = (_FALLBACK.search(warning) for warning in warnings)
    return [
        f"The blocks of {name} don't fit the rows of {each[1]} of {each[2]} tensors, for which"
        " llama.cpp used a similar type."
        for each in found
        if each
    ]


def _failure(source: Path, target: Path, reason: str) -> Exception:
    if _STREAM_FAILED in reason:
        return _write_error(target) or DistilError(
            f"llama.cpp can't write the quantized file of {source}: {reason}.",
            "Check the disk, then run the command again.",
        )
    return ModelDamagedError(
        f"llama.cpp can't quantize {source}: {reason}.",
        "Check that it is a whole GGUF file of a language model, or convert the model again.",
    )


def _write_error(path: Path) -> OSError | None:
    """Return why a file can't be written: llama.cpp does not keep what the system says."""
    try:
        with path.open("ab") as file:
            file.write(bytes(_BUFFER_BYTES))
    except OSError as error:
        return error
    return None


def _try(source: Path, target: Path) -> None:
    """Load a new file and compute with it.

    Raises:
        NotANumberError: its logits are not all finite.
        ModelDamagedError: it can't be loaded.
    """
    import numpy as np

    from ...errors import NotANumberError
    from ..evaluate.evaluator import Evaluator

    try:
        model = Model(target, CPU_ONLY)
    except ModelDamagedError as error:
        what = error.what.replace(str(target), f"what was made of {source}")
        raise ModelDamagedError(what, error.remedy) from error
    with model:
        tokens = model.tokenize(_TRIAL_TEXT)[: min(_TRIAL_TOKENS, model.window)]
        tokens = tokens or [model.start_token]
        with Evaluator(model, len(tokens)) as evaluator:
            for rows in evaluator.logits(tokens, len(tokens)):
                if not np.isfinite(rows).all():
                    raise NotANumberError
