"""The importance matrix: beside plain sums of what llama.cpp itself computes, to the last bit."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Evaluator, Model
from distilgpt2_cli.engine.evaluate.importance import measure_importance
from distilgpt2_cli.engine.llama import nodes
from distilgpt2_cli.engine.llama.placement import CPU_ONLY
from distilgpt2_cli.engine.llama.taps import Array, Taps
from distilgpt2_cli.errors import DistilError, UsageError
from tests.support import gguf

CHUNK = 128  # the window of the models here
# What the matrices of a block are multiplied with, by llama.cpp's names in src/models/gpt2.cpp.
INPUTS = {"attn_qkv": "attn_norm", "ffn_up": "ffn_norm", "ffn_down": "ffn_gelu"}


def tokens_of(model: Model, count: int) -> list[int]:
    return [number * 7 % (model.vocabulary_size - 1) for number in range(count)]


def summed(model: Model, chunks: list[list[int]], name: str) -> Array:
    """Return the mean squares of a tensor, added row by row as the loop of llama-imatrix does."""
    parts: list[Array] = []
    taps = Taps()
    with Evaluator(model, CHUNK, taps=taps) as evaluator:
        for chunk in chunks:
            with taps.receiving({name: parts.append}):
                list(evaluator.logits(chunk, CHUNK))
    rows = np.concatenate([part[0, 0] for part in parts])
    total = np.zeros(rows.shape[1], np.float32)
    for row in rows:
        total = total + row * row
    return total / np.float32(len(rows))


@pytest.mark.parametrize("with_start", [False, True])
def test_the_sums_are_those_of_the_inputs(tmp_path: Path, *, with_start: bool) -> None:
    """A last chunk that is not full is left out; chunks begin with the start token if there is."""
    path = gguf.write(
        tmp_path / "model.gguf",
        gguf.Shape(tokens=600),
        without=("tokenizer.ggml.add_bos_token",),
        add=lambda writer: writer.add_add_bos_token(with_start),
    )
    done: list[int] = []
    with Model(path, CPU_ONLY) as model:
        tokens = tokens_of(model, 3 * CHUNK - 1)
        found = measure_importance(model, tokens, "a text", advance=done.append)
        chunks = [tokens[:CHUNK], tokens[CHUNK : 2 * CHUNK]]
        if with_start:
            whole = [model.start_token, *tokens]
            chunks = [[model.start_token, *whole[at + 1 : at + CHUNK]] for at in (0, 128, 256)]
        for block in range(2):
            for name, inputs in INPUTS.items():
                expected = summed(model, chunks, f"{inputs}-{block}")
                assert np.array_equal(found.weights[f"blk.{block}.{name}.weight"], expected)
    assert (found.text, found.chunks, len(done)) == ("a text", len(chunks), len(chunks))
    names = ("attn_output", "attn_qkv", "ffn_down", "ffn_up")
    assert list(found.weights) == [f"blk.{n}.{name}.weight" for n in range(2) for name in names]


def test_nothing_depends_on_the_number_of_threads(tiny: Path) -> None:
    with Model(tiny, CPU_ONLY) as model:
        tokens = tokens_of(model, 2 * CHUNK)
        one, three = (measure_importance(model, tokens, "", threads=n).weights for n in (1, 3))
    assert all(np.array_equal(one[name], three[name]) for name in one)


def test_too_little_to_measure(tiny: Path, tmp_path: Path) -> None:
    with (
        Model(tiny, CPU_ONLY) as model,
        pytest.raises(UsageError, match="has fewer than 256 tokens"),
    ):
        measure_importance(model, tokens_of(model, 2 * CHUNK - 1), "")
    narrow = gguf.write(tmp_path / "narrow.gguf", gguf.Shape(tokens=600, context=15))
    with (
        Model(narrow, CPU_ONLY) as model,
        pytest.raises(DistilError, match="context window of this model has 15 tokens"),
    ):
        measure_importance(model, tokens_of(model, 100), "")


def test_inputs_that_are_not_finite(tiny: Path, tmp_path: Path) -> None:
    content = bytearray(tiny.read_bytes())
    scale = np.ones(64, np.float32).tobytes()  # of a layer norm: the first one is the final one's
    at = content.index(scale, content.index(scale) + len(scale))
    content[at : at + 4] = np.float32(np.inf).tobytes()
    damaged = tmp_path / "inf.gguf"
    damaged.write_bytes(content)
    with (
        Model(damaged, CPU_ONLY) as model,
        pytest.raises(DistilError, match=r"^The inputs of blk\.\d\.\S+ are not finite"),
    ):
        measure_importance(model, tokens_of(model, 2 * CHUNK), "")


def test_another_layout_of_tensors_is_refused(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    """As a later version of ggml may have it: one more field before the sources."""
    known = nodes._Tensor._fields_
    for place in (1, 4, 6, 7):
        fields = (*known[:place], ("new", ctypes.c_void_p), *known[place:])
        other = type("_Tensor", (ctypes.Structure,), {"_fields_": fields})
        monkeypatch.setattr(nodes, "_Tensor", other)
        nodes.check_layout.cache_clear()
        with pytest.raises(DistilError, match="does not have the expected form"):
            nodes.check_layout()
        with Model(tiny, CPU_ONLY) as model, pytest.raises(DistilError, match="expected form"):
            measure_importance(model, tokens_of(model, 2 * CHUNK), "")
    monkeypatch.undo()
    nodes.check_layout()
