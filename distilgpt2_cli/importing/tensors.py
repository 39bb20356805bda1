"""The tensors of checkpoints, from safetensors files, one at a time.

The package safetensors checks that a file's header and its data agree. Files are read and not
mapped, so that no more than a tensor is in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelDamagedError
from .checkpoint import Checkpoint
from .untrusted import CHECK_FOLDER, cannot_read, is_file

Array = NDArray[Any]
Shape = tuple[int, ...]

TYPES: Mapping[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
}
"""The types of weights that can be read, by their names in safetensors."""
_ROWS = 4096  # compared at once
_NOT_FLOATS = ("BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64")


@dataclass(frozen=True)
class TensorSource:
    """A tensor in a file.

    Attributes:
        name: in the file.
        shape: the slowest dimension first.
        type: as safetensors names it, such as ``F32``.
    """

    name: str
    shape: Shape
    type: str


class TensorFiles:
    """The tensors of a checkpoint's open files, by their names."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        """Take the open file that has each tensor."""
        self._files = files

    def __iter__(self) -> Iterator[str]:
        """Return the names of all tensors."""
        return iter(self._files)

    def describe(self, name: str) -> TensorSource:
        """Return the shape and the type of a tensor."""
        part = self._files[name].get_slice(name)
        return TensorSource(name, tuple(part.get_shape()), part.get_dtype())

    def read(self, name: str) -> Array:
        """Return the values of a tensor.

        Raises:
            ModelDamagedError: they can't be read.
        """
        from safetensors import SafetensorError

        try:
            values: Array = self._files[name].get_tensor(name)
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            raise ModelDamagedError(
                f"The tensor {name!r} can't be read: {error}.", CHECK_FOLDER
            ) from error
        return values

    def are_equal(self, first: str, second: str) -> bool:
        """Return whether two tensors have the same shape, type and values; see `read`."""
        left, right = self.describe(first), self.describe(second)
        if (left.shape, left.type) != (right.shape, right.type) or left.type not in TYPES:
            return False
        rows = left.shape[0] if left.shape else 0
        parts = [self._files[name].get_slice(name) for name in (first, second)]
        return all(
            np.array_equal(*(part[start : min(start + _ROWS, rows)] for part in parts))
            for start in range(0, rows, _ROWS)
        )


@contextmanager
def tensor_files(checkpoint: Checkpoint) -> Iterator[TensorFiles]:
    """Open the tensors of a checkpoint, and close their files when the block ends.

    Raises:
        ModelUnavailableError: a file can't be read.
        ModelDamagedError: a file is missing or damaged, or lacks a tensor of the index.
    """
    shard_of = checkpoint.shard_of
    found = {}
    with ExitStack() as stack:
        for name in checkpoint.weights:
            file = stack.enter_context(_opened(checkpoint.folder / name))
            for tensor in file.keys():  # noqa: SIM118 - it is no mapping
                if shard_of is None or shard_of.get(tensor) == name:
                    found[tensor] = file
        for tensor in shard_of or ():
            if tensor not in found:
                raise ModelDamagedError(
                    f"{checkpoint.folder} has an index with {tensor!r}, which is missing.",
                    CHECK_FOLDER,
                )
        yield TensorFiles(found)


def check_floats(source: TensorSource, shape: Sequence[int]) -> None:
    """Check that a tensor has weights of a shape.

    Raises:
        ModelDamagedError: it has another shape, or values of another type.
    """
    if source.shape != tuple(shape):
        raise ModelDamagedError(
            f"The tensor {source.name!r} has the shape {_spelled(source.shape)}, not"
            f" {_spelled(shape)}.",
            CHECK_FOLDER,
        )
    if source.type not in TYPES:
        what = "integers" if source.type in _NOT_FLOATS else f"values of the type {source.type}"
        raise ModelDamagedError(
            f"The tensor {source.name!r} has {what}.", "Save the model in 16 or 32 bits."
        )


def _spelled(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "of a number"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file, and say of its faults that they are of this file."""
    from safetensors import SafetensorError, safe_open

    if not is_file(path):
        raise ModelDamagedError(f"{path} is missing.", CHECK_FOLDER)
    try:
        file = safe_open(path, framework="np", backend="pread")
    except OSError as error:
        raise cannot_read(path, error) from error
    except (SafetensorError, ValueError) as error:
        raise ModelDamagedError(
            f"{path} is not a whole safetensors file: {error}.", CHECK_FOLDER
        ) from error
    with file:
        yield file
