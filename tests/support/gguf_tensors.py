"""What a GGUF file holds, read with the package ``gguf`` and without llama.cpp."""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import gguf
import numpy as np
import numpy.typing as npt

_LONG = 1000

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tensor:
    """A tensor, dequantized where it is asked for.

    Attributes:
        data: its rows, as the file has them.
        type: how the file holds them, such as ``Q4_K``.
    """

    data: npt.NDArray[Any]
    type: str

    @cached_property
    def values(self) -> Array:
        """What the blocks stand for, in rows."""
        return self.rows(slice(None))

    def rows(self, which: slice | Sequence[int]) -> Array:
        """Return some of the rows."""
        kind = gguf.GGMLQuantizationType[self.type]
        return np.asarray(gguf.quants.dequantize(self.data[which], kind), np.float64)

    @cached_property
    def offsets(self) -> Array | None:
        """What each block of ``Q4_1`` or ``Q5_1`` adds to its values, row by row.

        It is the second of the two 16-bit floats that each block begins with.
        """
        if self.type not in ("Q4_1", "Q5_1"):
            return None
        _, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[self.type]]
        blocks = self.data.reshape(len(self.data), -1, size)
        return np.ascontiguousarray(blocks[..., 2:4]).view(np.float16)[..., 0].astype(np.float64)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the metadata of a file, but for its vocabulary, and its tensors by name."""
    reader = Reader(path)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    return metadata, {
        tensor.name: Tensor(tensor.data, tensor.tensor_type.name) for tensor in reader.tensors
    }


class Reader(gguf.GGUFReader):
    """Steps over long lists of strings: the vocabulary, which takes it seconds to read.

    Of such a list there is the length, as that of ``data``, and no contents.

    Where a later version of the package does not call this method, it only takes longer.
    """

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
        if raw_type == gguf.GGUFValueType.ARRAY:
            inner, count = struct.unpack_from("<IQ", self.data.data, orig_offs)
            if inner == gguf.GGUFValueType.STRING and count > _LONG:
                return self._size(orig_offs + 12, count) + 12, [], list(range(count)), []
        return super()._get_field_parts(orig_offs, raw_type)

    def _size(self, start: int, count: int) -> int:
        end = start
        for _ in range(count):
            end += 8 + struct.unpack_from("<Q", self.data.data, end)[0]
        return end - start
