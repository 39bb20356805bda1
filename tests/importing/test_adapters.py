"""LoRA adapters of PEFT, as llama.cpp gets them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distilgpt2_cli.errors import ModelDamagedError
from distilgpt2_cli.importing.card import Origin
from distilgpt2_cli.importing.checkpoint import find_checkpoint
from distilgpt2_cli.importing.reading import opened
from tests.support import checkpoints
from tests.support.checkpoints import save_tensors
from tests.support.gguf_tensors import Array, Tensor, read

FIRST = "base_model.model.transformer.h.0.attn.c_attn"


def written(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    target = folder.parent / "adapter.gguf"
    with opened(find_checkpoint(folder), Origin("it")) as readable:
        readable.write(target, lambda _: None)
    return read(target)


def change_of(found: tuple[dict[str, Any], dict[str, Tensor]], matrix: str) -> Array:
    """Return what llama.cpp adds to a matrix: (alpha / rank) B A."""
    metadata, tensors = found
    a, b = (tensors[f"{matrix}.weight.lora_{side}"].values for side in "ab")
    change: Array = float(metadata["adapter.lora.alpha"]) / len(a) * b @ a
    return change


def expected(factor: float, rank: int = 4) -> Array:
    tensors = checkpoints.adapter_tensors(rank)
    a, b = (tensors[f"{FIRST}.lora_{side}.weight"].astype(float) for side in "AB")
    change: Array = factor * b @ a
    return change


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({}, 16 / 4),
        ({"use_rslora": True}, 16 / 2),
        ({"alpha_pattern": {"c_attn": 6}}, 6 / 4),
        ({"alpha_pattern": {"h.0.attn.c_attn": 6}}, 6 / 4),
        ({"alpha_pattern": {"attn": 6}}, 16 / 4),
        ({"r": 2, "rank_pattern": {"c_attn": 4}}, 16 / 4),
        ({"r": 2, "rank_pattern": {"c_attn": 4}, "use_rslora": True}, 16 / 2),
    ],
)
def test_the_size_of_the_change(tmp_path: Path, changes: dict[str, Any], factor: float) -> None:
    found = written(checkpoints.write_adapter(tmp_path / "adapter", **changes))
    assert np.allclose(change_of(found, "blk.0.attn_qkv"), expected(factor), rtol=1e-5, atol=1e-6)
    assert len(found[1]) == 4


def test_the_base_model_is_named(tmp_path: Path) -> None:
    metadata, _ = written(checkpoints.write_adapter(tmp_path / "adapter"))
    assert metadata["general.base_model.0.organization"] == "distilbert"
    base = str(tmp_path / "mine")
    folder = checkpoints.write_adapter(tmp_path / "other", base_model_name_or_path=base)
    assert str(tmp_path) not in str(written(folder)[0])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peft_type": "LOHA"}, "peft_type = 'LOHA'"),
        ({"use_dora": True}, "use_dora = True"),
        ({"bias": "all"}, "bias = 'all'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": 0}, "0 for r"),
        ({"r": 8}, "the shape 4 x 64, not 8 x 64"),
        ({"lora_alpha": "many"}, "the alpha 'many'"),
        ({"rank_pattern": {".*": 4}}, "not of names of modules"),
    ],
)
def test_what_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    folder = checkpoints.write_adapter(tmp_path / "adapter", **changes)
    with pytest.raises(ModelDamagedError) as caught:
        written(folder)
    assert reason in caught.value.what


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{FIRST}.lora_A.weight", "half of a pair"),
        ("base_model.model.transformer.wte.lora_embedding_A", "not a LoRA of a matrix"),
        ("base_model.model.model.layers.0.q_proj.lora_A.weight", "not a LoRA of a matrix"),
    ],
)
def test_other_tensors(tmp_path: Path, name: str, reason: str) -> None:
    folder = checkpoints.write_adapter(tmp_path / "adapter")
    save_tensors(folder / "adapter_model.safetensors", {name: np.zeros((4, 64), np.float32)})
    with pytest.raises(ModelDamagedError, match=reason):
        written(folder)
