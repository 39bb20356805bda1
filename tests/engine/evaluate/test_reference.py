"""llama.cpp beside a GPT-2 in NumPy that shares no code with it.

A difference is the largest one of a row of numbers, by the largest amount in the row.

llama.cpp does not reach the precision of 32-bit floats even on a file of them, because its GELU
is a table of 16-bit floats and its cache holds 16-bit floats; on quantized files it also rounds
what is multiplied with their matrices to 8 bits. `tests.support.llama_arithmetic` makes the same
roundings in NumPy. Where they come out the same, so do the logits, to within `SAME`. But a value
halfway between two steps is rounded up here and down there for the last bit of a 32-bit sum, and
after some layers and tokens few positions are free of that: the differences to exact arithmetic
are bounded by what was measured, with some room. docs/accuracy.md has the figures.
"""

import platform
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from distilgpt2_cli.engine import Context, Model
from distilgpt2_cli.models import demo
from tests.support import gguf, raw_llama
from tests.support.differences import relative, root_mean_square
from tests.support.extent import cases
from tests.support.gguf_tensors import Array, Tensor
from tests.support.llama_arithmetic import LlamaArithmetic
from tests.support.numpy_gpt2 import ReferenceGPT2, log_softmax

OF_FLOATS = 2e-3  # measured: up to 1.2e-3 on F32
OF_QUANTIZED = 0.04  # measured: up to 0.029
SAME = 1e-4
ALIKE = 0.1  # of two sizes of differences; measured: up to 0.03

FLOATS = {
    "tiny, seed 0": (gguf.Shape(tokens=5001), 0),
    "tiny, seed 1": (gguf.Shape(tokens=5001), 1),
    "tiny, seed 2": (gguf.Shape(tokens=5001), 2),
    "heads and layers of DistilGPT2": (gguf.Shape(6, 192, 12, 128, tokens=5001), 0),
}
SHALLOW = gguf.Shape(layers=1, width=256, heads=4, context=64, tokens=5001)
# Every type of tensor that the files of the catalog have: those of Q3_K_M are Q3_K to Q6_K.
QUANTIZATIONS = cases(["F16", "Q4_K_M", "Q8_0"], ["Q2_K", "Q3_K_M", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])

TEXT = (
    "It was a dark and stormy night; the rain fell in torrents, except at intervals. Der Wind "
    "strich \N{GREEK SMALL LETTER ALPHA}\N{CYRILLIC SMALL LETTER YA} 東京 🌧 for (i = 0; i < 3)\n"
)


class Case(NamedTuple):
    """A text, and what llama.cpp and NumPy make of it at every position."""

    path: Path
    tokens: list[int]
    ours: raw_llama.Evaluation
    logits: Array
    hidden_states: Array


def case(path: Path, count: int, start: int = 0) -> Case:
    with Model(path) as model:
        tokens = model.tokenize(TEXT * 8)[start:][:count]
    assert len(tokens) == count
    with raw_llama.loaded(path) as raw:
        ours = raw.evaluate(tokens)
    reference = ReferenceGPT2.from_file(path)
    return Case(path, tokens, ours, reference.logits(tokens), reference.hidden_states(tokens))


@pytest.fixture(scope="module", params=FLOATS)
def floats(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    shape, seed = FLOATS[request.param]
    path = gguf.write(tmp_path_factory.mktemp("reference") / "f32.gguf", shape, seed)
    return case(path, shape.context, 11 * seed)


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf.write(tmp_path_factory.mktemp("reference") / "f32.gguf", SHALLOW)


def engine_logits(path: Path, tokens: list[int], lengths: list[int]) -> Array:
    """Return what our engine says after each of these beginnings of a text."""
    with Model(path) as model, Context(model, threads=1) as context:
        rows = []
        for length in lengths:
            context.rewind(0)
            context.evaluate(tokens[:length])
            rows.append(np.array(context.copy_logits(), np.float64))
    return np.array(rows)


def test_the_engine_s_logits_after_texts_of_all_lengths(floats: Case) -> None:
    lengths = [1, 2, 3, 5, 17, 31, 32, 33, 100, len(floats.tokens)]
    ours = engine_logits(floats.path, floats.tokens, lengths)
    expected = floats.logits[np.array(lengths) - 1]
    assert relative(ours, expected).max() < OF_FLOATS
    assert relative(log_softmax(ours), log_softmax(expected)).max() < OF_FLOATS


def test_logits_and_hidden_states_of_all_positions(floats: Case) -> None:
    assert relative(floats.ours.logits, floats.logits).max() < OF_FLOATS
    assert relative(floats.ours.hidden_states, floats.hidden_states).max() < OF_FLOATS


def test_perplexity(floats: Case) -> None:
    expected = ReferenceGPT2.from_file(floats.path).perplexity(floats.tokens)
    rows = log_softmax(floats.ours.logits[:-1].astype(np.float64))
    scores = np.take_along_axis(rows, np.array(floats.tokens)[1:, None], 1)
    assert np.exp(-scores.mean()) == pytest.approx(expected, rel=OF_FLOATS)


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="rounds in other places"
)
@pytest.mark.parametrize("quantization", ["F32", *QUANTIZATIONS])
def test_the_difference_is_llama_cpp_s_rounding(
    shallow: Path, tmp_path: Path, quantization: str
) -> None:
    """In one layer and short texts, most of which have no rounding that comes out differently."""
    path = shallow
    if quantization != "F32":
        path = tmp_path / "model.gguf"
        gguf.quantize(shallow, path, quantization)
    reference = ReferenceGPT2.from_file(path)
    rounding = reference.computed_with(LlamaArithmetic())
    texts = np.random.default_rng(0).integers(0, SHALLOW.tokens - 1, (12, 4)).tolist()
    with raw_llama.loaded(path) as model:
        ours = np.concatenate([model.evaluate(text).logits for text in texts])
    exact = np.concatenate([reference.logits(text) for text in texts])
    rounded = np.concatenate([rounding.logits(text) for text in texts])

    bound = OF_FLOATS if quantization in ("F32", "F16") else OF_QUANTIZED
    assert relative(ours, exact).max() < bound
    assert np.median(relative(ours, rounded)) < SAME
    deviation = root_mean_square(ours, exact)
    assert deviation == pytest.approx(root_mean_square(rounded, exact), rel=ALIKE)


def test_a_trained_model_whose_embedding_is_its_output_matrix() -> None:
    of_demo = case(demo().path, 128)
    assert relative(of_demo.ours.logits, of_demo.logits).max() < OF_QUANTIZED
    assert relative(of_demo.ours.hidden_states, of_demo.hidden_states).max() < OF_QUANTIZED


# The reference itself.


@pytest.fixture(scope="module")
def small() -> ReferenceGPT2:
    """A model with 50 tokens, which is quick."""
    shape = gguf.Shape(layers=2, width=8, heads=2, context=24)
    weights = gguf.weights(shape, 0)
    for name in ("token_embd.weight", "output.weight"):
        weights[name] = weights[name][:50]
    tensors = {name: Tensor(values, "F32") for name, values in weights.items()}
    return ReferenceGPT2(tensors, shape.heads, 1e-5)


def test_no_token_sees_those_after_it(small: ReferenceGPT2) -> None:
    tokens = list(range(20))
    whole = small.logits(tokens)
    for length in (1, 2, 19):
        np.testing.assert_allclose(small.logits(tokens[:length]), whole[:length], rtol=1e-9)


@pytest.mark.parametrize("count", [0, 25])
def test_texts_that_do_not_fit(small: ReferenceGPT2, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} tokens, where 1 to 24 fit"):
        small.hidden_states([0] * count)


@pytest.mark.parametrize(
    ("window", "stride"), [(None, None), (8, 8), (8, 4), (8, 1), (7, 3), (24, 16), (2, 1)]
)
def test_windows_slide(small: ReferenceGPT2, window: int | None, stride: int | None) -> None:
    """Each token is scored in the first window that has it, unless it is the first there."""
    tokens = [i * i % 50 for i in range(61)]
    size = window or small.window
    step = stride or size // 2
    expected = []
    for index in range(1, len(tokens)):
        start = max(0, -(-(index + 1 - size) // step)) * step
        if start < index:
            row = small.log_probabilities(tokens[start:index])[-1]
            expected.append(row[tokens[index]])
    scores = small.token_log_probabilities(tokens, window, stride)
    np.testing.assert_allclose(scores, expected, rtol=1e-9)
    assert small.perplexity(tokens, window, stride) == pytest.approx(np.exp(-np.mean(expected)))
