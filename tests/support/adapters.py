"""LoRA adapters in GGUF files, made of NumPy arrays, and models that have them merged in."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np

from .gguf import Shape, weights
from .gguf_tensors import Reader

LINEAR = ("attn_qkv", "attn_output", "ffn_up", "ffn_down")


class Pair(NamedTuple):
    """The two matrices of a weight: ``a`` is rank by columns, and ``b`` rows by rank."""

    a: np.ndarray
    b: np.ndarray


def random_pairs(
    shape: Shape, seed: int, rank: int = 4, names: Sequence[str] = LINEAR, size: float = 0.3
) -> dict[str, Pair]:
    """Return matrices, drawn from a seed, for these weights of every block and for `output`."""
    random = np.random.default_rng(seed)
    pairs = {}
    for name, weight in weights(shape, 0).items():
        if name.rpartition(".")[0].rpartition(".")[2] not in names or name.endswith("bias"):
            continue
        rows, columns = weight.shape
        if name.startswith("token_embd"):
            rows, columns = columns, rows
        pairs[name] = Pair(
            random.standard_normal((rank, columns), np.float32) * np.float32(size / columns**0.5),
            random.standard_normal((rows, rank), np.float32) * np.float32(size / rank**0.5),
        )
    return pairs


def write(
    path: Path,
    pairs: Mapping[str, Pair],
    alpha: float | None = 8.0,
    architecture: str = "gpt2",
    add: Callable[[gguf.GGUFWriter], object] = lambda _writer: None,
) -> Path:
    """Write an adapter, as llama.cpp's convert_lora_to_gguf.py does.

    ``add`` can write further values and tensors.
    """
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    if alpha is not None:
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    add(writer)
    for name, (a, b) in pairs.items():
        # The embeddings are looked up by rows, so that their matrices are the other way round.
        first, second = (a.T.copy(), b) if name.startswith("token_embd") else (a, b)
        writer.add_tensor(f"{name}.lora_a", first)
        writer.add_tensor(f"{name}.lora_b", second)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def merge(base: Path, target: Path, *changes: tuple[Mapping[str, Pair], float]) -> Path:
    """Copy a model of 32-bit floats, with ``factor * b a`` added to its weights."""
    shutil.copyfile(base, target)
    for tensor in Reader(target, "r+").tensors:
        for pairs, factor in changes:
            if tensor.name in pairs:
                a, b = pairs[tensor.name]
                product = b.astype(np.float64) @ a.astype(np.float64)
                if tensor.name.startswith("token_embd"):
                    product = product.T
                tensor.data[:] += (factor * product).astype(np.float32)
    return target
