"""Folders as transformers and PEFT save them, made without PyTorch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import TensorSpec, serialize_file

from distilgpt2_cli.importing.tensors import TYPES
from tests.support.gguf import Shape, tokenizer, weights

SMALL = Shape(tokens=301, context=32)
"""Two layers of width 64, and so few tokens that little is to be written."""
END = "<|endoftext|>"

_NAMES = {
    "token_embd": "wte",
    "position_embd": "wpe",
    "output_norm": "ln_f",
    "attn_norm": "ln_1",
    "ffn_norm": "ln_2",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
_BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
_PLAIN = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
_CODES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def tensors(shape: Shape = SMALL, seed: int = 0, *, tied: bool = True) -> dict[str, np.ndarray]:
    """Return the weights of `gguf.weights` as transformers has them."""
    values = weights(shape, seed)
    if tied:
        del values["output.weight"]
    return renamed(values)


def renamed(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return tensors that have llama.cpp's names as transformers has them, input by output."""
    found = {}
    for name, values in tensors.items():
        if name == "output.weight":
            found["lm_head.weight"] = values
            continue
        *block, kind, part = name.replace("blk", "h").split(".")
        is_conv1d = part == "weight" and kind.startswith(("attn_", "ffn_")) and "norm" not in kind
        key = ".".join(["transformer", *block, _NAMES[kind], part])
        found[key] = np.ascontiguousarray(values.T) if is_conv1d else values
    return found


def config(shape: Shape = SMALL, **changes: Any) -> dict[str, Any]:
    """Return a ``config.json``, with changes."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "n_embd": shape.width,
        "n_head": shape.heads,
        "n_layer": shape.layers,
        "n_positions": shape.context,
        "n_inner": None,
        "layer_norm_epsilon": 1e-5,
        "bos_token_id": shape.tokens - 1,
        "eos_token_id": shape.tokens - 1,
        "vocab_size": shape.tokens,
        **changes,
    }


def tokenizer_json(count: int, added: Mapping[str, bool] | None = None) -> dict[str, Any]:
    """Return a ``tokenizer.json`` of so many tokens; ``added`` has whether each is special."""
    known = tokenizer(count)
    vocabulary = {text: number for number, text in enumerate(known.tokens)}
    return {
        "version": "1.0",
        "normalizer": None,
        "pre_tokenizer": dict(_BYTE_LEVEL),
        "post_processor": None,
        "decoder": _BYTE_LEVEL,
        "added_tokens": [
            {"id": count - 1 + place, "content": text, "special": special, **_PLAIN}
            for place, (text, special) in enumerate({END: True, **(added or {})}.items())
        ],
        "model": {
            "type": "BPE",
            "vocab": vocabulary,
            "merges": [each.split(" ") for each in known.merges],
        },
    }


def save_tensors(path: Path, values: Mapping[str, np.ndarray], kind: str = "F32") -> None:
    """Write a safetensors file with values of one type."""
    arrays = {name: np.ascontiguousarray(each.astype(TYPES[kind])) for name, each in values.items()}
    specs = {
        name: TensorSpec(
            dtype=_CODES[kind],
            shape=list(each.shape),
            data_ptr=each.ctypes.data,
            data_len=each.nbytes,
        )
        for name, each in arrays.items()
    }
    serialize_file(specs, path, {"format": "pt"})


def save_json(path: Path, value: object) -> None:
    """Write a file of JSON."""
    path.write_text(json.dumps(value), encoding="utf-8")


def write(
    folder: Path,
    shape: Shape = SMALL,
    *,
    kind: str = "F32",
    tied: bool = True,
    shards: int = 1,
    in_parts: bool = False,
) -> Path:
    """Write a checkpoint with the weights of `gguf.weights`.

    Args:
        folder: made, if it is missing.
        shape: of the model.
        kind: the type of all tensors, as safetensors names it.
        tied: without an output matrix of its own.
        shards: files that share the tensors, with an index if there are several.
        in_parts: with ``vocab.json`` and ``merges.txt`` in place of ``tokenizer.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_json(folder / "config.json", config(shape, tie_word_embeddings=tied))
    values = tensors(shape, tied=tied)
    if shards == 1:
        save_tensors(folder / "model.safetensors", values, kind)
    else:
        _save_shards(folder, values, kind, shards)
    whole = tokenizer_json(shape.tokens)
    if in_parts:
        save_json(folder / "vocab.json", whole["model"]["vocab"])
        merges = "\n".join(["#version: 0.2", *map(" ".join, whole["model"]["merges"])])
        (folder / "merges.txt").write_text(f"{merges}\n", encoding="utf-8")
    else:
        save_json(folder / "tokenizer.json", whole)
        save_json(folder / "tokenizer_config.json", {"bos_token": END, "eos_token": END})
    return folder


def _save_shards(folder: Path, values: Mapping[str, np.ndarray], kind: str, count: int) -> None:
    names = list(values)
    shards = {f"model-{n + 1:05}-of-{count:05}.safetensors": names[n::count] for n in range(count)}
    for file, part in shards.items():
        save_tensors(folder / file, {name: values[name] for name in part}, kind)
    weight_map = {name: file for file, part in shards.items() for name in part}
    save_json(folder / "model.safetensors.index.json", {"weight_map": weight_map})


def adapter_tensors(rank: int = 4, shape: Shape = SMALL, seed: int = 1) -> dict[str, np.ndarray]:
    """Return pairs of A and B for the matrix of queries, keys and values in each layer."""
    random = np.random.default_rng(seed)
    found = {}
    for layer in range(shape.layers):
        module = f"base_model.model.transformer.h.{layer}.attn.c_attn"
        a, b = (rank, shape.width), (3 * shape.width, rank)
        found[f"{module}.lora_A.weight"] = random.standard_normal(a).astype(np.float32) / 8
        found[f"{module}.lora_B.weight"] = random.standard_normal(b).astype(np.float32) / 8
    return found


def write_adapter(folder: Path, rank: int = 4, **changes: Any) -> Path:
    """Write a LoRA adapter as PEFT does, with changes of its ``adapter_config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": 16,
        "bias": "none",
        "use_dora": False,
        "use_rslora": False,
        "target_modules": ["c_attn"],
        "base_model_name_or_path": "distilbert/distilgpt2",
    }
    save_json(folder / "adapter_config.json", {**values, **changes})
    save_tensors(folder / "adapter_model.safetensors", adapter_tensors(rank))
    return folder
