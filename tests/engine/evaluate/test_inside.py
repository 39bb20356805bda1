"""What a model computes on the way: beside the GPT-2 in NumPy, and llama.cpp's own logits."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.engine import Evaluator, Inside, Model, look_inside
from distilgpt2_cli.engine.evaluate.inside import InsideEvaluator
from distilgpt2_cli.engine.evaluate.layers import LayerEvaluator, StateCollector
from distilgpt2_cli.engine.evaluate.probabilities import ranked_logprobs_of
from distilgpt2_cli.engine.llama import interrupts
from distilgpt2_cli.engine.llama.taps import Array, Taps
from distilgpt2_cli.errors import DistilError, ParameterError, UsageError
from distilgpt2_cli.models import demo
from tests.support import gguf
from tests.support.differences import relative
from tests.support.numpy_gpt2 import ReferenceGPT2, log_softmax

OF_FLOATS = 1e-3
OF_ENTROPIES = 2e-3  # of a distribution whose logits are off by as much as `OF_FLOATS` allows
OF_QUANTIZED = 0.04

SHALLOW = gguf.Shape(tokens=5001, context=600)
DEEP = gguf.Shape(layers=6, width=192, heads=12, context=64, tokens=5001)
TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. " * 40
Agree = Callable[[str, float, float], None]


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf.write(tmp_path_factory.mktemp("inside") / "shallow.gguf", SHALLOW)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf.write(tmp_path_factory.mktemp("inside") / "deep.gguf", DEEP)


def looked_into(path: Path, count: int, threads: int = 1) -> Inside:
    with Model(path) as model:
        return look_inside(model, model.tokenize(TEXT)[:count], threads)


def check_beside_numpy(path: Path, count: int, bound: float, agree: Agree) -> None:
    inside = looked_into(path, count)
    reference = ReferenceGPT2.from_file(path).look_inside(list(inside.tokens))
    name = f"{path.stem}, {count} tokens, "
    states = relative(inside.hidden_states, reference.hidden_states)
    agree(name + "hidden states of all layers", float(states.max()), bound)
    assert inside.attentions is not None
    weights = np.abs(inside.attentions - reference.attentions).max()
    agree(name + "attention of all heads, absolute", float(weights), bound)
    logprobs = log_softmax(reference.lens)
    largest = np.abs(logprobs).max(-1)
    top = np.take_along_axis(logprobs, inside.lens.top_ids, -1)
    difference = np.abs(inside.lens.top_logprobs - top) / largest[..., None]
    agree(name + "logit lens, most likely tokens", float(difference.max()), bound)
    following = np.broadcast_to(np.array(inside.tokens[1:])[:, None], (len(logprobs), count - 1, 1))
    of_next = np.take_along_axis(logprobs[:, :-1], following, -1)[..., 0]
    difference = np.abs(inside.lens.logprobs - of_next) / largest[:, :-1]
    agree(name + "logit lens, next token", float(difference.max()), bound)
    entropies = -(np.exp(logprobs) * logprobs).sum(-1) / np.log(2)
    agree(
        name + "logit lens, entropy",
        float(np.abs(inside.lens.entropies - entropies).max() / entropies.max()),
        max(bound, OF_ENTROPIES),
    )


@pytest.mark.parametrize("count", [1, 2, 33, 600])
def test_beside_numpy(shallow: Path, count: int, agree: Agree) -> None:
    """Also of one token, and of a text of two micro-batches."""
    if count == 1:
        inside = looked_into(shallow, 1)
        assert inside.lens.ranks.shape == (3, 0)
        assert inside.attentions is not None
        assert (inside.attentions == 1).all()
    else:
        check_beside_numpy(shallow, count, OF_FLOATS, agree)


def test_beside_numpy_in_the_heads_and_layers_of_distilgpt2(deep: Path, agree: Agree) -> None:
    check_beside_numpy(deep, 64, OF_FLOATS, agree)


def test_beside_numpy_on_a_quantized_file(agree: Agree) -> None:
    check_beside_numpy(demo().path, 64, OF_QUANTIZED, agree)


@pytest.mark.parametrize("count", [1, 64, 512, 513, 514, 600])
def test_the_lens_of_the_last_layer_is_what_the_model_says(shallow: Path, count: int) -> None:
    """To the last bit, also where the last block's own states are put in their own place."""
    with Model(shallow) as model:
        tokens = model.tokenize(TEXT)[:count]
        with Evaluator(model, count, 1, flash_attention=False) as plain:
            expected = np.concatenate([rows.copy() for rows in plain.logits(tokens, count)])
        with InsideEvaluator(model, count, 1) as evaluator:
            inside = evaluator.look(tokens)
            taps, last = evaluator._taps, StateCollector([model.layers])
            with taps.receiving(last.receivers):
                list(evaluator.logits(tokens, count))
            (states,) = last.take(count)
            found = [rows.copy() for rows in evaluator.logits_of(tokens, states)]
            other = [rows.copy() for rows in evaluator.logits_of(tokens, states + 1)]
    assert np.array_equal(np.concatenate(found), expected)
    assert not np.array_equal(np.concatenate(other), expected)
    ranked = ranked_logprobs_of(expected, [*tokens[1:], 0], 5)
    assert np.array_equal(inside.lens.top_ids[-1], ranked.top_ids)
    assert np.array_equal(inside.lens.top_logprobs[-1], ranked.top)
    assert np.array_equal(inside.lens.logprobs[-1], ranked.targets[:-1])
    order = np.argsort(-expected[:-1], axis=1, kind="stable")
    places = np.argmax(order == np.array(tokens[1:])[:, None], axis=1)
    assert np.array_equal(inside.lens.ranks[-1], places + 1)


def test_nothing_depends_on_the_number_of_threads(shallow: Path) -> None:
    one, three = (looked_into(shallow, 513, threads) for threads in (1, 3))
    assert np.array_equal(one.hidden_states, three.hidden_states)
    assert np.array_equal(one.attentions, three.attentions)  # type: ignore[arg-type]
    for ours, theirs in zip(one.lens, three.lens, strict=True):
        assert np.array_equal(ours, theirs)


def test_ranks_count_from_the_most_likely(deep: Path) -> None:
    inside = looked_into(deep, 40)
    top = inside.lens.top_ids[:, :-1]
    following = np.array(inside.tokens[1:])
    for place in range(top.shape[-1]):
        assert ((inside.lens.ranks == place + 1) == (top[..., place] == following)).all()
    assert inside.lens.ranks.min() >= 1
    assert inside.lens.ranks.max() <= DEEP.tokens


def test_the_attention_is_left_out_where_it_is_not_wanted(shallow: Path) -> None:
    with Model(shallow) as model:
        tokens = model.tokenize(TEXT)[:20]
        without = look_inside(model, tokens, 1, attention=False, top=1)
        whole = look_inside(model, tokens, 1)
    assert without.attentions is None
    assert np.array_equal(without.hidden_states, whole.hidden_states)
    assert np.array_equal(without.lens.top_ids, whole.lens.top_ids[..., :1])


@pytest.mark.parametrize("layer", [0, 1, 5])
def test_states_of_a_layer_for_features(deep: Path, layer: int) -> None:
    """The same for a text alone; several texts at once differ a little."""
    with Model(deep) as model:
        tokens = model.tokenize(TEXT)[:60]
        expected = look_inside(model, tokens, 1, attention=False).hidden_states[layer]
        with LayerEvaluator(model, layer, 64, 1, 2) as evaluator:
            alone = evaluator.hidden_states(tokens)
            many = evaluator.hidden_states_of_many([tokens[:4], tokens[:60]])
    assert np.array_equal(alone, expected)
    assert [each.shape for each in many] == [(4, 192), (60, 192)]
    assert relative(many[1], expected).max() < OF_FLOATS
    assert relative(many[0], expected[:4]).max() < OF_FLOATS


def test_states_of_a_layer_of_long_texts(shallow: Path) -> None:
    with Model(shallow) as model:
        tokens = model.tokenize(TEXT)[:513]
        expected = look_inside(model, tokens, 1, attention=False).hidden_states[1]
        with LayerEvaluator(model, 1, 600, 1, 1) as evaluator:
            assert np.array_equal(evaluator.hidden_states(tokens), expected)


def test_a_layer_that_the_model_does_not_have(shallow: Path) -> None:
    with Model(shallow) as model:
        for layer in (-1, 3):
            with pytest.raises(ParameterError, match="a number from 0 to 2"):
                LayerEvaluator(model, layer, None, 1, 1)
        assert model.contexts == 0
        with pytest.raises(UsageError, match="does not fit"):
            look_inside(model, [0] * 601)


def test_a_graph_without_the_layers_is_refused(shallow: Path) -> None:
    with Model(shallow) as model, InsideEvaluator(model, 8, 1) as evaluator:
        missing = StateCollector([7])
        with evaluator._taps.receiving(missing.receivers):
            list(evaluator.logits([1, 2, 3], 3))
        with pytest.raises(DistilError, match="computes it without l_out-6") as caught:
            missing.take(3)
        assert caught.value.remedy


def test_what_goes_wrong_in_the_callback_is_raised_after_it(shallow: Path) -> None:
    def fail(_values: Array) -> None:
        raise ValueError("here")

    with Model(shallow) as model, InsideEvaluator(model, 8, 1) as evaluator:
        before = evaluator.look([1, 2, 3])
        with (
            pytest.raises(ValueError, match="here"),
            evaluator._taps.receiving({"l_out-0": fail}),
        ):
            list(evaluator.logits([1, 2, 3], 3))
        with pytest.raises(DistilError, match="l_out-1 does not have the expected form"):
            list(evaluator.logits_of([1, 2, 3], np.zeros((3, 5), np.float32)))
        with (
            pytest.raises(DistilError, match="l_out-0 does not have"),
            evaluator._taps.receiving({}, {"l_out-0": np.zeros((1, 64), np.float32)}),
        ):
            list(evaluator.logits([1, 2, 3], 3))
        after = evaluator.look([1, 2, 3])
    assert np.array_equal(before.lens.top_logprobs, after.lens.top_logprobs)


def test_an_interrupt_in_the_callback_ends_the_evaluation(shallow: Path) -> None:
    seen = []

    def interrupt(_values: Array) -> None:
        seen.append(1)
        interrupts.interrupt(KeyboardInterrupt(), sys._getframe())

    with Model(shallow) as model, InsideEvaluator(model, 8, 1) as evaluator:
        with (
            pytest.raises(KeyboardInterrupt),
            evaluator._taps.receiving({"l_out-0": interrupt, "l_out-1": interrupt}),
        ):
            list(evaluator.logits([1, 2, 3], 3))
        assert len(seen) == 1


def test_taps_without_wishes_change_nothing(shallow: Path) -> None:
    with Model(shallow) as model:
        with Evaluator(model, 8, 1) as evaluator:
            (expected,) = (rows.copy() for rows in evaluator.logits([1, 2, 3], 3))
        with Evaluator(model, 8, 1, taps=Taps()) as evaluator:
            gc.collect()  # which would free what nobody holds
            (found,) = evaluator.logits([1, 2, 3], 3)
            assert np.array_equal(found, expected)
