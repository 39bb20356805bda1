"""Checkpoints of every kind become the same GGUF files, with the same weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distilgpt2_cli.errors import ModelDamagedError
from distilgpt2_cli.importing.card import Origin
from distilgpt2_cli.importing.checkpoint import find_checkpoint
from distilgpt2_cli.importing.reading import opened
from tests.support import checkpoints
from tests.support.checkpoints import SMALL, save_json, save_tensors
from tests.support.gguf import weights
from tests.support.gguf_tensors import Tensor, read


def written(source: Path, *, separate_output: bool = False) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors of what a checkpoint becomes, and the notices."""
    target = source.parent / "written.gguf"
    with opened(find_checkpoint(source), Origin("it"), separate_output=separate_output) as readable:
        done: list[int] = []
        readable.write(target, done.append)
        assert sum(done) == readable.size
        return read(target)[1], list(readable.notices)


def check_weights(found: dict[str, Tensor], *, tied: bool, tolerance: float = 0) -> None:
    expected = weights(SMALL, 0)
    if tied:
        del expected["output.weight"]
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert np.allclose(found[name].values, values, rtol=tolerance, atol=tolerance), name


@pytest.mark.parametrize("kind", ["F64", "F32", "F16", "BF16"])
def test_every_type(tmp_path: Path, kind: str) -> None:
    found, notices = written(checkpoints.write(tmp_path / "model", kind=kind))
    check_weights(found, tied=True, tolerance={"F16": 1e-3, "BF16": 1e-2}.get(kind, 0))
    assert found["blk.0.attn_qkv.weight"].type == ("F32" if kind == "F64" else kind)
    # What llama.cpp adds, scales with, or never quantizes.
    exact = ("position_embd.weight", "blk.0.attn_norm.weight", "blk.1.ffn_up.bias")
    assert {found[name].type for name in exact} == {"F32"}
    assert not notices


def test_a_separate_output_matrix(tmp_path: Path) -> None:
    found, _ = written(checkpoints.write(tmp_path / "model", tied=False))
    check_weights(found, tied=False)
    tied = checkpoints.write(tmp_path / "tied")
    copied, _ = written(tied, separate_output=True)
    assert np.array_equal(copied["output.weight"].data, copied["token_embd.weight"].data)


@pytest.mark.parametrize("shards", [2, 5])
def test_shards(tmp_path: Path, shards: int) -> None:
    check_weights(written(checkpoints.write(tmp_path / "model", shards=shards))[0], tied=True)


def test_a_file_by_its_name(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path / "model")
    other = (folder / "model.safetensors").rename(folder / "epoch-3.safetensors")
    check_weights(written(other)[0], tied=True)
    check_weights(written(folder)[0], tied=True)


def test_other_ways_to_save_the_same(tmp_path: Path) -> None:
    """Without the prefix, with masks of older versions, and with the tied matrix twice."""
    folder = checkpoints.write(tmp_path / "model")
    values = {
        name.removeprefix("transformer."): each for name, each in checkpoints.tensors().items()
    }
    values["h.0.attn.bias"] = np.ones((1, 1, 32, 32), np.float32)
    values["h.1.attn.masked_bias"] = np.zeros((), np.float32)
    values["lm_head.weight"] = values["wte.weight"]
    save_tensors(folder / "model.safetensors", values)
    found, notices = written(folder)
    check_weights(found, tied=True)
    assert not notices


def test_a_head_of_its_own_that_is_said_to_be_tied(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path / "model", tied=False)
    save_json(folder / "config.json", checkpoints.config())
    found, (notice,) = written(folder)
    check_weights(found, tied=False)
    assert "lm_head.weight is not the embedding" in notice


Change = Callable[[Path], object]


def _config(**changes: Any) -> Change:
    return lambda folder: save_json(folder / "config.json", checkpoints.config(**changes))


def _tensors(**changes: np.ndarray | None) -> Change:
    def change(folder: Path) -> None:
        values = checkpoints.tensors()
        for name, value in changes.items():
            key = name.replace("__", ".")
            values.pop(key, None)
            if value is not None:
                values[key] = value
        save_tensors(folder / "model.safetensors", values)

    return change


def _replaced(name: str, content: bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(content)


REFUSED: dict[str, Change] = {
    "of the type 'llama'": _config(model_type="llama"),
    "'GPT2ForSequenceClassification', which does not": _config(
        architectures=["GPT2ForSequenceClassification"]
    ),
    "activation 'gelu'": _config(activation_function="gelu"),
    "scale_attn_by_inverse_layer_idx = True": _config(scale_attn_by_inverse_layer_idx=True),
    "weights that are quantized": _config(quantization_config={"quant_method": "gptq"}),
    "width of 64, which 3 heads": _config(n_head=3),
    "1000000000000 for n_layer": _config(n_layer=10**12),
    "100000 layers": _config(n_layer=100_000),
    "True for n_embd": _config(n_embd=True),
    "nan for layer_norm_epsilon": _config(layer_norm_epsilon=float("nan")),
    "'h.2.ln_1.weight' is missing": _config(n_layer=3),
    "not one of a GPT-2 with 1 layers": _config(n_layer=1),
    "the shape 32 x 64, not 64 x 64": _config(n_positions=64),
    "'wte.weight' is missing": _tensors(transformer__wte__weight=None),
    "'lm_head.weight' is missing": _config(tie_word_embeddings=False),
    "'score.weight' is not one": _tensors(score__weight=np.zeros((2, 64), np.float32)),
    "the shape 1, not 1 x 64": _tensors(transformer__wte__weight=np.zeros(1, np.float32)),
    "not valid JSON": _replaced("config.json", b"{"),
    "nested too deeply": _replaced("config.json", b'{"a":' * 100_000),
    "too many digits": _replaced("config.json", b'{"n_embd": ' + b"9" * 5000 + b"}"),
    "not UTF-8": _replaced("config.json", b"\xff{}"),
    "not valid Unicode": _config(n_embd="\ud800"),
    "no JSON object": _replaced("config.json", b"[]"),
    "not a whole safetensors file": _replaced("model.safetensors", b"\xff" * 100),
    "config.json is missing": lambda folder: (folder / "config.json").unlink(),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused(tmp_path: Path, reason: str) -> None:
    folder = checkpoints.write(tmp_path / "model")
    REFUSED[reason](folder)
    with pytest.raises(ModelDamagedError) as caught:
        written(folder)
    assert reason in caught.value.what


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path / "model")
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/dev/zero")
    with pytest.raises(ModelDamagedError, match="not a regular file"):
        written(folder)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", 7])
def test_an_index_that_leads_outside(tmp_path: Path, name: object) -> None:
    folder = checkpoints.write(tmp_path / "model", shards=2)
    save_json(folder / "model.safetensors.index.json", {"weight_map": {"wte.weight": name}})
    with pytest.raises(ModelDamagedError, match="can't be in its folder"):
        written(folder)


def test_an_index_with_a_tensor_that_is_missing(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path / "model", shards=2)
    shard = "model-00001-of-00002.safetensors"
    save_json(folder / "model.safetensors.index.json", {"weight_map": {"nowhere": shard}})
    with pytest.raises(ModelDamagedError, match="'nowhere', which is missing"):
        written(folder)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["pytorch_model.bin"], "a pickle, which can run any code"),
        (["it.Q4_K_M.gguf"], "a GGUF file, which needs no import"),
        (["a.safetensors", "b.safetensors"], "several .safetensors files"),
        (["config.json"], "has no model.safetensors"),
    ],
)
def test_folders_without_weights(tmp_path: Path, files: list[str], reason: str) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelDamagedError) as caught:
        find_checkpoint(tmp_path)
    assert reason in caught.value.what


@pytest.mark.parametrize(
    "front_matter",
    [
        'license: "\\uD800"',
        "license: [1, {}]",
        "license: {" * 5000,
        "a: &a [x]\nb: &b [*a, *a]\nlicense: *b",
        "- 1",
        "\0",
        "license: 2024-99-99",
    ],
)
def test_a_card_that_is_damaged_is_no_reason_to_refuse(tmp_path: Path, front_matter: str) -> None:
    folder = checkpoints.write(tmp_path / "model")
    (folder / "README.md").write_text(f"---\n{front_matter}\n---\n")
    check_weights(written(folder)[0], tied=True)
