"""The same bits for any number of threads, with flash attention: see `micro_batches`."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from distilgpt2_cli.engine import Context, Evaluator, GenerationOptions, Generator, Model, Request
from distilgpt2_cli.engine.candidates import logits_of
from distilgpt2_cli.engine.llama.bindings import lib
from distilgpt2_cli.engine.llama.micro_batches import PHYSICAL_BATCH, companions, parts
from tests.support import gguf
from tests.support.extent import ALL_CASES, cases

THREADS = (1, 2, 3, 4) if ALL_CASES else (1, 3)  # one, and a number that divides no size
# Its rows are of a size that all quantizations take, and half its window is one more than a
# micro-batch, which is what is evaluated anew at the window's turn.
SHAPE = gguf.Shape(layers=2, width=256, heads=4, context=2 * PHYSICAL_BATCH + 2, tokens=3001)
LENGTHS = range(1, 1025) if ALL_CASES else (1, 2, 3, 256, 257, 512, 513, 514, 1024)
TRAINED_LENGTHS = range(1, 1025, 16) if ALL_CASES else (1, 20)  # a sequence stands for long ones
# Weights of Q4_K_M are Q6_K too.
QUANTIZATIONS = cases(["Q4_K_M", "Q8_0", "Q4_0", "F16"], ["Q6_K"])
CLOSE = 0.05  # of the largest logit: other roundings, and no other token's row


@pytest.fixture(scope="module", params=QUANTIZATIONS)
def quantized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / f"{request.param}.gguf"
    return gguf.write(path, SHAPE, quantization=request.param)


def text(model: Model, length: int, start: int = 0) -> list[int]:
    """Return tokens that do not repeat soon."""
    return [
        (37 * place + 11) % min(model.vocabulary_size, 3000)
        for place in range(start, start + length)
    ]


def check_same(
    path: Path,
    compute: Callable[[Model, int], Iterator[bytes]],
) -> None:
    """Compute with several numbers of threads, and compare the bits."""
    with Model(path) as model:
        found = {
            threads: [hashlib.sha256(each).hexdigest() for each in compute(model, threads)]
            for threads in THREADS
        }
    assert found[1]
    for threads in THREADS:
        assert found[threads] == found[1], (
            f"with {threads} threads: the rule in engine/llama/micro_batches.py isn't enough"
        )


def texts_alone(lengths: Sequence[int]) -> Callable[[Model, int], Iterator[bytes]]:
    def compute(model: Model, threads: int) -> Iterator[bytes]:
        with Evaluator(model, max(lengths), threads) as evaluator:
            for length in lengths:
                for rows in evaluator.logits(text(model, length), min(length, 4)):
                    yield rows.tobytes()

    return compute


@pytest.mark.parametrize("lengths", [LENGTHS], ids=["lengths"])
def test_texts(quantized: Path, lengths: Sequence[int]) -> None:
    check_same(quantized, texts_alone(lengths))


def test_texts_of_a_trained_model(trained: Path) -> None:
    check_same(trained, texts_alone(TRAINED_LENGTHS))


def test_a_text_longer_than_what_is_evaluated_at_once(quantized: Path) -> None:
    """After 1,024 tokens a single one is left, which attends to all of them."""

    def compute(model: Model, threads: int) -> Iterator[bytes]:
        with Evaluator(model, 1025, threads) as evaluator:
            for rows in evaluator.logits(text(model, 1025), 2):
                yield rows.tobytes()

    check_same(quantized, compute)


def test_hidden_states(quantized: Path) -> None:
    def compute(model: Model, threads: int) -> Iterator[bytes]:
        with Evaluator(model, 1024, threads, 4, hidden_states=True) as evaluator:
            yield evaluator.hidden_states(text(model, 513)).tobytes()
            for states in evaluator.hidden_states_of_many([text(model, 300), text(model, 213)]):
                yield states.tobytes()

    check_same(quantized, compute)


GROUPS = ([300, 213], [512, 1], [1, 512], [100, 200, 300, 400], [511, 511, 2], [1023, 1])


def test_texts_together(quantized: Path) -> None:
    def compute(model: Model, threads: int) -> Iterator[bytes]:
        with Evaluator(model, 1024, threads, 4) as evaluator:
            for lengths in GROUPS:
                texts = [text(model, length, length) for length in lengths]
                skipped = [max(length - 2, 0) for length in lengths]
                yield evaluator.logits_of_many(texts, skipped).tobytes()

    check_same(quantized, compute)


def test_the_rows_of_texts_that_are_evaluated_in_two_parts(quantized: Path) -> None:
    with Model(quantized) as model, Evaluator(model, 1024, 1, 4) as evaluator:
        texts = [text(model, 300), text(model, 213, 300)]
        rows = evaluator.logits_of_many(texts, [298, 210]).copy()
        alone = [next(iter(evaluator.logits(each, 3))).copy() for each in texts]
        for found, expected in zip(rows, [*alone[0][1:], *alone[1]], strict=True):
            assert abs(found - expected).max() < CLOSE * abs(expected).max()


@pytest.mark.parametrize(
    "stepping",
    [
        [[0, 1, 2, 3], [0, 1, 2], [0, 1], [0], [0], [0]],
        [[1, 2], [1], [3], [0, 2], [0, 2, 3], [0, 3], [2]],
    ],
    ids=["ending one after another", "with gaps"],
)
@pytest.mark.parametrize(
    "length", cases([257, 514], [253, 254, 255, 256, 258, 510, 512, 700, 1000])
)
def test_sequences(quantized: Path, length: int, stepping: Sequence[Sequence[int]]) -> None:
    def compute(model: Model, threads: int) -> Iterator[bytes]:
        with Context(model, None, threads, 4) as context:
            for sequence in range(4):
                context.evaluate(text(model, length - sequence), sequence)
                yield bytes(context.copy_logits())
            for number, sequences in enumerate(stepping):
                context.step([number + each for each in sequences], sequences)
                for row in range(-len(sequences), 0):
                    yield logits_of(context.pointer, row, model.vocabulary_size).tobytes()

    check_same(quantized, compute)


@pytest.mark.parametrize("length", cases([257], [1, 255, 300, 512, 1000]))
def test_sequences_of_a_trained_model(trained: Path, length: int) -> None:
    def compute(model: Model, threads: int) -> Iterator[bytes]:
        with Context(model, 1024, threads, 2) as context:
            context.evaluate(text(model, length), 0)
            context.copy(0, 1)
            for sequences in ([0, 1], [0], [0]):
                context.step([5] * len(sequences), sequences)
                yield bytes(context.copy_logits())

    check_same(trained, compute)


def test_steps_give_every_token_its_own_logits(quantized: Path) -> None:
    """Those that are evaluated with a companion, too."""
    with Model(quantized) as model, Context(model, None, 1, 4) as context:
        alike: dict[int, NDArray[np.float32]] = {}
        for sequences in ([0, 1, 2, 3], [0, 2], [0, 2, 3], [3]):
            for sequence in range(4):
                context.rewind(0, sequence)
                context.evaluate(text(model, 300, sequence), sequence)
            context.step([7 + each for each in sequences], sequences)
            for row, sequence in enumerate(sequences, -len(sequences)):
                logits = logits_of(context.pointer, row, model.vocabulary_size).copy()
                expected = alike.setdefault(sequence, logits)
                assert abs(logits - expected).max() < CLOSE * abs(expected).max()
                assert context.tokens[sequence] == [*text(model, 300, sequence), 7 + sequence]


def test_the_window_s_turn(quantized: Path) -> None:
    options = GenerationOptions(max_tokens=14, ignore_eos=True)

    def compute(model: Model, threads: int) -> Iterator[bytes]:
        with Context(model, None, threads, 3) as context:
            generator = Generator(context, options)
            prompts = [
                text(model, length) for length in (SHAPE.context - 9, 600, SHAPE.context - 5)
            ]
            requests = [Request(prompt, seed) for seed, prompt in enumerate(prompts)]
            for completion in generator.complete_all(requests):
                yield bytes(str([token.id for token in completion]), "ascii")
                yield bytes(context.copy_logits())

    check_same(quantized, compute)


def test_the_rule_is_needed(quantized: Path) -> None:
    """If this fails, llama.cpp has changed, and what `micro_batches` does may be left out."""

    def logits(model: Model, threads: int) -> bytes:
        with Context(model, None, threads, flash_attention=True) as context:
            context.evaluate(text(model, 300))
            context.step([5])
            return bytes(context.copy_logits())

    with Model(quantized) as model:
        assert len({logits(model, threads) for threads in THREADS}) > 1


@pytest.mark.parametrize("count", [1, 2, 511, 512, 513, 514, 1024, 1025, 1026, 2048, 2049, 8193])
def test_no_part_leaves_a_single_token(count: int) -> None:
    cuts = list(parts(count, 1024))
    assert [place for part in cuts for place in range(part.start, part.stop)] == [*range(count)]
    sizes = [part.stop - part.start for part in cuts]
    assert max(sizes) <= 1024
    assert count == 1 or all(size % PHYSICAL_BATCH != 1 for size in sizes)


@pytest.mark.parametrize(
    ("sequences", "count", "expected"),
    [
        ([0, 1, 2], 4, []),
        ([0], 2, [1]),
        ([1], 2, [0]),
        ([0, 2], 3, [1]),
        ([0, 2], 4, [1]),
        ([0, 2, 5], 6, [1, 4]),
        ([0, 1, 3, 5, 6], 8, [4]),
        ([0, 3], 4, [1, 2]),
    ],
)
def test_companions(sequences: Sequence[int], count: int, expected: Sequence[int]) -> None:
    def everywhere(_: int) -> bool:
        return True

    assert companions(sequences, count, everywhere) == expected
    assert companions(sequences, count, [].__contains__) == []


@pytest.mark.parametrize("held", [0, 1, 300, SHAPE.context])
def test_a_companion_holds_what_it_held(quantized: Path, held: int) -> None:
    """Beside one of any length, a sequence has the same bits."""
    with Model(quantized) as model, Context(model, None, 1, 2) as context:

        def bits(neighbour: int) -> bytes:
            context.rewind(0)
            context.rewind(0, 1)
            context.evaluate(text(model, 300))
            context.evaluate(text(model, neighbour), 1) if neighbour else None
            for token in range(3):
                context.step([token])
            return bytes(context.copy_logits())

        assert bits(held) == bits(2)
        bits(held)
        assert context.tokens[1] == text(model, held)
        if 0 < held < SHAPE.context:
            context.rewind(0)
            context.step([9], [1])
            after = context.copy_logits()
            context.rewind(held, 1)
            context.step([9], [1])
            assert bytes(after) == bytes(context.copy_logits())
        context.copy(1, 0)  # llama.cpp finds as many tokens there
        context.rewind(max(held - 1, 0), 1)
        context.step([3], [1])


def test_one_sequence_has_no_flash_attention_unless_it_is_asked_for(quantized: Path) -> None:
    def logits(model: Model, **options: bool) -> bytes:
        with Context(model, None, 1, **options) as context:
            context.evaluate(text(model, 100))
            return bytes(context.copy_logits())

    with Model(quantized) as model:
        plain, flash = logits(model), logits(model, flash_attention=True)
        assert plain != flash
        with Evaluator(model, 100, 1) as evaluator:
            (rows,) = evaluator.logits(text(model, 100), 1)
            assert rows.tobytes() == flash
    assert lib.LLAMA_FLASH_ATTN_TYPE_DISABLED == 0
