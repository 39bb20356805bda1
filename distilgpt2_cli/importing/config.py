"""``config.json`` of a GPT-2: its shape, and whether llama.cpp computes what it says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelDamagedError
from .untrusted import CHECK_FOLDER, integer, read_json, shown

MODEL_TYPE = "gpt2"
MAX_LAYERS = 512
"""llama.cpp's limit: LLAMA_MAX_LAYERS in llama-hparams.h."""

# The tanh form of GELU, by all its names in transformers; llama.cpp has no other for GPT-2.
_ACTIVATIONS = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python_tanh")
_MODELS = ("GPT2LMHeadModel", "GPT2Model", "GPT2DoubleHeadsModel")
# What changes the arithmetic, with the one value that llama.cpp computes with.
_FIXED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
_IMPORTABLE = "Only GPT-2 models that continue texts can be imported."


@dataclass(frozen=True)
class Config:
    """A GPT-2's shape, by the names of llama.cpp.

    Attributes:
        layers: blocks.
        width: numbers in a hidden state.
        heads: of the attention of a block.
        feed_forward: numbers in the hidden layer of a block.
        context: positions.
        epsilon: what layer norms add to the variance.
        tied: whether the embedding is the output matrix, too.
        bos: the token before a text, as the file says; None if it does not.
        eos: the token after a text, so too.
    """

    layers: int
    width: int
    heads: int
    feed_forward: int
    context: int
    epsilon: float = 1e-5
    tied: bool = True
    bos: int | None = None
    eos: int | None = None


def read_config(path: Path) -> Config:
    """Read a ``config.json``; what it leaves out has the value that transformers gives it.

    Raises:
        ModelUnavailableError: it can't be read.
        ModelDamagedError: it is damaged, of another architecture, or asks for arithmetic that
            llama.cpp does not have.
    """
    values = read_json(path)
    _check_kind(values, path)
    width = integer(values, "n_embd", path, 768)
    heads = integer(values, "n_head", path, 12)
    layers = integer(values, "n_layer", path, 12)
    if width % heads:
        raise ModelDamagedError(
            f"{path} has a width of {width}, which {heads} heads can't share.", CHECK_FOLDER
        )
    if layers > MAX_LAYERS:
        raise ModelDamagedError(
            f"{path} has {layers} layers; llama.cpp takes {MAX_LAYERS} at most.", _IMPORTABLE
        )
    return Config(
        layers=layers,
        width=width,
        heads=heads,
        feed_forward=integer(values, "n_inner", path, 4 * width),
        context=integer(values, "n_positions", path, 1024),
        epsilon=_epsilon(values, path),
        tied=values.get("tie_word_embeddings") is not False,
        bos=token_number(values.get("bos_token_id")),
        eos=token_number(values.get("eos_token_id")),
    )


def _check_kind(values: Mapping[str, Any], path: Path) -> None:
    """Refuse other models, and GPT-2s that would compute something else in llama.cpp."""
    kind = values.get("model_type")
    if kind != MODEL_TYPE:
        raise ModelDamagedError(
            f"{path} describes a model of the type {shown(kind)}, not {MODEL_TYPE}.", _IMPORTABLE
        )
    names = values.get("architectures")
    name = names[0] if isinstance(names, list) and names else _MODELS[0]
    if name not in _MODELS:
        raise ModelDamagedError(
            f"{path} describes a {shown(name)}, which does not continue texts.", _IMPORTABLE
        )
    if "quantization_config" in values:
        raise ModelDamagedError(
            f"{path} describes weights that are quantized for PyTorch.",
            "Save the model in 16 or 32 bits, then import that.",
        )
    activation = values.get("activation_function", _ACTIVATIONS[0])
    if activation not in _ACTIVATIONS:
        raise ModelDamagedError(
            f"{path} has the activation {shown(activation)}; llama.cpp computes a GPT-2 with"
            f" {_ACTIVATIONS[0]} only.",
            _IMPORTABLE,
        )
    for key, value in _FIXED.items():
        if values.get(key, value) is not value:
            raise ModelDamagedError(
                f"{path} has {key} = {shown(values[key])}, which llama.cpp does not compute.",
                _IMPORTABLE,
            )


def _epsilon(values: Mapping[str, Any], path: Path) -> float:
    value = values.get("layer_norm_epsilon", 1e-5)
    if type(value) not in (int, float) or not 0 < value < 1 or not math.isfinite(value):
        raise ModelDamagedError(
            f"{path} has {shown(value)} for layer_norm_epsilon, which must be between 0 and 1.",
            CHECK_FOLDER,
        )
    return float(value)


def token_number(value: object) -> int | None:
    """Return a token's number, or the first of a list of them."""
    first = value[0] if isinstance(value, list) and value else value
    return first if type(first) is int and 0 <= first < 1 << 31 else None
