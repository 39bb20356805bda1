"""The roundings that llama.cpp makes on an x86 processor, for the NumPy GPT-2.

llama.cpp computes in 32-bit floats, but for three places where it keeps fewer bits (read in ggml's
`ggml-cpu.c`, `vec.h` and `quants.c`):

- Keys and values are cached in 16-bit floats, and so is rounded what they are multiplied with: the
  queries, and the weights of the attention.
- GELU is a table whose argument and value are 16-bit floats.
- What is multiplied with a quantized matrix is quantized itself: to 8 bits in blocks of 32 values,
  for K-quants in blocks of 256. For a matrix of 16-bit floats it is rounded to those.

Everything else stays exact here, and has the precision of 32-bit floats there.
"""

from collections.abc import Callable

import numpy as np

from .gguf_tensors import Array, Tensor
from .numpy_gpt2 import Arithmetic, attention_weights

_GELU_TABLE_END = 10.0  # the values beyond it are 0 and the argument itself


class LlamaArithmetic(Arithmetic):
    """Rounds where llama.cpp does.

    Attributes:
        half_cache: round as with a cache of 16-bit floats, the default of llama.cpp.
        half_gelu: round as the table does.
    """

    def __init__(self, *, half_cache: bool = True, half_gelu: bool = True) -> None:
        self.half_cache = half_cache
        self.half_gelu = half_gelu

    def product(self, states: Array, matrix: Tensor) -> Array:
        rounded = _ROUNDINGS.get(matrix.type)
        product = super().product(rounded(states) if rounded else states, matrix)
        if matrix.offsets is not None:
            product += sum_errors(states) @ matrix.offsets.T
        return product

    def attention(self, queries: Array, keys: Array, values: Array) -> Array:
        if not self.half_cache:
            return super().attention(queries, keys, values)
        weights = attention_weights(to_half(queries), to_half(keys))
        mixed: Array = to_half(weights) @ to_half(values)
        return mixed

    def gelu(self, states: Array) -> Array:
        if not self.half_gelu:
            return super().gelu(states)
        table = to_half(super().gelu(to_half(states)))
        return np.where(np.abs(states) < _GELU_TABLE_END, table, np.maximum(states, 0))


def to_half(values: Array) -> Array:
    """Round to 16-bit floats."""
    return values.astype(np.float16).astype(np.float64)


def to_q8_0(rows: Array) -> Array:
    """Round to 8 bits in blocks of 32: the largest value is 127 steps, a step a 16-bit float."""
    numbers, steps = _in_steps(rows)
    return (numbers * to_half(steps)).reshape(rows.shape)


def to_q8_k(rows: Array) -> Array:
    """Round to 8 bits in blocks of 256: the value of the largest amount is -127 steps."""
    blocks = rows.astype(np.float32).reshape(len(rows), -1, 256)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)
    inverse = np.divide(np.float32(-127), largest, where=largest != 0, out=np.zeros_like(largest))
    steps = np.divide(np.float32(1), inverse, where=inverse != 0, out=np.zeros_like(inverse))
    return (np.rint(blocks * inverse).astype(np.float64) * steps).reshape(rows.shape)


def sum_errors(rows: Array) -> Array:
    """Return what is wrong with the sums of the blocks that `to_q8_0` makes, block by block.

    For matrices whose blocks have an offset they are kept beside the 8 bits, in 16-bit floats
    but from steps that are not rounded.
    """
    numbers, steps = _in_steps(rows)
    sums = numbers.sum(-1, keepdims=True)
    errors: Array = to_half(sums * steps) - sums * to_half(steps)
    return errors[..., 0]


def _in_steps(rows: Array) -> tuple[Array, Array]:
    """Return numbers from -127 to 127 in blocks of 32, and the step of each block."""
    blocks = rows.astype(np.float32).reshape(len(rows), -1, 32)
    largest = np.abs(blocks).max(-1, keepdims=True)
    inverse = np.divide(np.float32(127), largest, where=largest > 0, out=np.zeros_like(largest))
    steps = (largest / np.float32(127)).astype(np.float64)
    return np.rint(blocks * inverse).astype(np.float64), steps


_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "F16": to_half,
    **dict.fromkeys(("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL"), to_q8_0),
    **dict.fromkeys(("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"), to_q8_k),
}
"""What happens to the other factor of a product with a matrix of a type."""
