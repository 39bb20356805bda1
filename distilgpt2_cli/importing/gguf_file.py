"""A GPT-2 in a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).

Names and keys are those that llama.cpp knows for the architecture ``gpt2``.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from .config import MODEL_TYPE, Config
from .tokenizer import Tokenizer

Array = NDArray[Any]

_TYPES = {
    np.dtype(np.float32): gguf.GGMLQuantizationType.F32,
    np.dtype(np.float16): gguf.GGMLQuantizationType.F16,
    np.dtype(ml_dtypes.bfloat16): gguf.GGMLQuantizationType.BF16,
}


@dataclass(frozen=True)
class NewTensor:
    """A tensor to be written.

    Attributes:
        name: as llama.cpp calls it.
        shape: the slowest dimension first.
        type: float32, float16 or bfloat16.
        values: returns them, of this shape; called when they are written.
    """

    name: str
    shape: Sequence[int]
    type: Any
    values: Callable[[], Array]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * int(np.dtype(self.type).itemsize)


def model_writer(
    path: Path, config: Config, tokenizer: Tokenizer, metadata: Mapping[str, object]
) -> gguf.GGUFWriter:
    """Return a writer that has all metadata of a model; `write_tensors` writes the file.

    Args:
        path: of the file.
        config: the model's shape.
        tokenizer: with a token for each row of the embedding.
        metadata: more of it: texts, numbers, booleans and lists of texts, by their keys.
    """
    writer = gguf.GGUFWriter(path, MODEL_TYPE)
    writer.add_type("model")
    _add(writer, metadata)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_feed_forward_length(config.feed_forward)
    writer.add_block_count(config.layers)
    writer.add_head_count(config.heads)
    writer.add_layer_norm_eps(config.epsilon)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_tokenizer(writer, tokenizer)
    return writer


def adapter_writer(path: Path, alpha: float, metadata: Mapping[str, object]) -> gguf.GGUFWriter:
    """Return a writer that has all metadata of a LoRA adapter of a GPT-2; as `model_writer`.

    Args:
        path: of the file.
        alpha: llama.cpp multiplies what the adapter adds with alpha / rank. Its tensors are pairs
            with ``.lora_a`` and ``.lora_b`` after the names of the model's tensors.
        metadata: more of it.
    """
    writer = gguf.GGUFWriter(path, MODEL_TYPE)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    _add(writer, metadata)
    return writer


def vocabulary_writer(path: Path, tokenizer: Tokenizer) -> gguf.GGUFWriter:
    """Return a writer that has only a tokenizer; as `model_writer`."""
    writer = gguf.GGUFWriter(path, MODEL_TYPE)
    add_tokenizer(writer, tokenizer)
    return writer


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    """Add what llama.cpp needs to read and write text."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types([int(each) for each in tokenizer.types])
    writer.add_token_merges(tokenizer.merges)
    if tokenizer.bos is not None:
        writer.add_bos_token_id(tokenizer.bos)
    if tokenizer.eos is not None:
        writer.add_eos_token_id(tokenizer.eos)
    if tokenizer.ends is not None:
        writer.add_eot_token_id(tokenizer.ends)
    if tokenizer.pad is not None:
        writer.add_pad_token_id(tokenizer.pad)
    writer.add_add_bos_token(tokenizer.adds_bos)


def _add(writer: gguf.GGUFWriter, metadata: Mapping[str, object]) -> None:
    for key, value in metadata.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_string(key, str(value))


def write_tensors(writer: gguf.GGUFWriter, tensors: Sequence[NewTensor]) -> None:
    """Write the file of a writer, each tensor when its values are there.

    llama.cpp uses the embedding of a model as output matrix if there is no other.

    Raises:
        OSError: it can't be written. What ``values`` of a tensor raises is raised, too.
    """
    for tensor in tensors:
        kind = np.dtype(tensor.type)
        writer.add_tensor_info(tensor.name, tensor.shape, kind, tensor.size, _TYPES[kind])
    with closing(writer):
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for values in _each(tensors):
            writer.write_tensor_data(values)


def _each(tensors: Sequence[NewTensor]) -> Iterator[Array]:
    """Yield the values of each tensor, as bytes, as the writer does not know bfloat16."""
    for tensor in tensors:
        values = np.ascontiguousarray(tensor.values(), tensor.type)
        if values.shape != tuple(tensor.shape):
            raise ValueError(f"{tensor.name} has the shape {values.shape}, not {tensor.shape}")
        yield values.view(np.uint8) if values.ndim else values
