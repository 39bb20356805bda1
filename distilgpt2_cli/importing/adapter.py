"""LoRA adapters of a GPT-2, as PEFT saves them.

``adapter_config.json`` and ``adapter_model.safetensors`` are described at
https://huggingface.co/docs/peft/developer_guides/checkpoint. PEFT keeps A as rank by input and B as
output by rank, also for the Conv1D matrices of a GPT-2; so does llama.cpp.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelDamagedError
from .gguf_file import Array, NewTensor
from .gpt2 import MATRICES
from .tensors import TensorFiles, TensorSource, check_floats
from .untrusted import CHECK_FOLDER, integer, read_json, shown

_NAME = re.compile(
    r"base_model\.model\.(?:transformer\.)?(?P<module>h\.(?P<layer>\d{1,3})\.(?P<matrix>[\w.]+))"
    r"\.lora_(?P<side>[AB])\.weight"
)
_ONLY_LORA = "Merge it into the model with PEFT's merge_and_unload(), then import the model."
# What would change the arithmetic, with what it may be.
_FIXED: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "use_dora": (None, False),
    "bias": (None, "none"),
    "lora_bias": (None, False),
    "modules_to_save": (None, []),
    "alora_invocation_tokens": (None, []),
    "trainable_token_indices": (None, [], {}),
    "layer_replication": (None, []),
    "target_parameters": (None, []),
    "use_bdlora": (None, False),
    "use_qalora": (None, False),
    "kasa_config": (None,),
    "monteclora_config": (None,),
    "arrow_config": (None,),
    "corda_config": (None,),
}


@dataclass(frozen=True)
class AdapterConfig:
    """What ``adapter_config.json`` says of the size of the changes.

    Attributes:
        rank: of a matrix that ``ranks`` does not name.
        alpha: of a matrix that ``alphas`` does not name; what is added has the factor alpha / rank.
        by_root: the factor is alpha / √rank (rsLoRA, arXiv:2312.03732).
        ranks: by patterns of the modules' names.
        alphas: so too.
        base: the model that it changes, as the file names it.
    """

    rank: int
    alpha: float
    by_root: bool = False
    ranks: Mapping[str, int] = field(default_factory=dict)
    alphas: Mapping[str, float] = field(default_factory=dict)
    base: str | None = None

    def factor(self, module: str, rank: int) -> float:
        """Return what llama.cpp's alpha / rank must be for a module."""
        alpha = float(_matching(self.alphas, module, self.alpha))
        return alpha / (math.sqrt(rank) if self.by_root else rank)

    def rank_of(self, module: str) -> int:
        """Return the rank that a module has."""
        return int(_matching(self.ranks, module, self.rank))


def _matching(patterns: Mapping[str, Any], module: str, default: Any) -> Any:
    """Return the value of the pattern at the end of a module's name, as PEFT finds it."""
    for pattern, value in patterns.items():
        if module == pattern or module.endswith(f".{pattern}"):
            return value
    return default


def read_adapter_config(path: Path) -> AdapterConfig:
    """Read an ``adapter_config.json``.

    Raises:
        ModelUnavailableError: it can't be read.
        ModelDamagedError: it is damaged, or is for changes that llama.cpp does not compute.
    """
    values = read_json(path)
    for key, allowed in _FIXED.items():
        if values.get(key) not in allowed:
            raise ModelDamagedError(
                f"{path} has {key} = {shown(values.get(key))}, which llama.cpp does not compute.",
                _ONLY_LORA,
            )
    rank = integer(values, "r", path, 8)
    base = values.get("base_model_name_or_path")
    return AdapterConfig(
        rank=rank,
        alpha=_number(values.get("lora_alpha", 8), path),
        by_root=values.get("use_rslora") is True,
        ranks={
            name: integer(_pattern(values, "rank_pattern", path), name, path)
            for name in _pattern(values, "rank_pattern", path)
        },
        alphas={
            name: _number(value, path)
            for name, value in _pattern(values, "alpha_pattern", path).items()
        },
        base=base if isinstance(base, str) else None,
    )


def _pattern(values: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    found = values.get(key) or {}
    if not isinstance(found, dict) or any(re.search(r"[^\w.]", name) for name in found):
        raise ModelDamagedError(
            f"{path} has the {key} {shown(found)}, which is not of names of modules.", _ONLY_LORA
        )
    return found


def _number(value: object, path: Path) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e9:  # type: ignore[arg-type]
        raise ModelDamagedError(
            f"{path} has the alpha {shown(value)}, which must be a number.", CHECK_FOLDER
        )
    return float(value)  # type: ignore[arg-type]


def adapter_tensors(files: TensorFiles, config: AdapterConfig) -> tuple[float, list[NewTensor]]:
    """Return the alpha of a whole adapter, and its tensors under llama.cpp's names.

    llama.cpp has one alpha: where ranks or alphas differ, B has the rest of the factor.

    Raises:
        ModelDamagedError: there are other tensors than pairs of A and B for matrices of a GPT-2,
            or they do not fit together.
    """
    pairs: dict[str, dict[str, TensorSource]] = {}
    layers: dict[str, str] = {}
    for name in files:
        found = _NAME.fullmatch(name)
        if not found or found["matrix"] not in MATRICES:
            raise ModelDamagedError(
                f"The tensor {name!r} is not a LoRA of a matrix in a block of a GPT-2.", _ONLY_LORA
            )
        pairs.setdefault(found["module"], {})[found["side"]] = files.describe(name)
        layers[found["module"]] = f"blk.{found['layer']}.{MATRICES[found['matrix']]}.weight"
    if not pairs:
        raise ModelDamagedError("The adapter has no tensors.", CHECK_FOLDER)
    alpha = config.factor("", config.rank) * config.rank
    tensors = []
    for module, pair in sorted(pairs.items()):
        if pair.keys() != {"A", "B"}:
            raise ModelDamagedError(f"The adapter has half of a pair for {module}.", CHECK_FOLDER)
        rank = config.rank_of(module)
        check_floats(pair["A"], (rank, *pair["A"].shape[1:][:1]))
        check_floats(pair["B"], (*pair["B"].shape[:1], rank))
        rest = config.factor(module, rank) * rank / alpha if alpha else 1.0
        for side, scale in (("A", 1.0), ("B", rest)):
            source = pair[side]
            tensors.append(
                NewTensor(
                    f"{layers[module]}.lora_{side.lower()}",
                    source.shape,
                    np.float32,
                    partial(_scaled, files, source.name, scale),
                )
            )
    return alpha, tensors


def _scaled(files: TensorFiles, name: str, scale: float) -> Array:
    values = np.asarray(files.read(name), np.float32)
    return values if scale == 1 else values * np.float32(scale)
