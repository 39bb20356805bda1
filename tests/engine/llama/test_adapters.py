"""LoRA adapters change the weights as their arithmetic says, and damaged ones crash nothing."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import gguf as gguf_package
import numpy as np
import pytest

from distilgpt2_cli.engine import AdaptedFile, Adapter, Context, Evaluator, Model
from distilgpt2_cli.engine.llama import adapter_loading
from distilgpt2_cli.engine.llama.loading import load, load_early
from distilgpt2_cli.errors import DistilError, ExitStatus, ParameterError
from tests.support import adapters, gguf
from tests.support.adapters import Pair

SHAPE = gguf.Shape(tokens=5001)
TOKENS = list(range(300, 340))
EVERYTHING = (*adapters.LINEAR, "output", "token_embd")
PAIRS = [adapters.random_pairs(SHAPE, seed, names=EVERYTHING) for seed in (1, 2, 3)]
FACTOR = 8.0 / 4  # alpha divided by the rank


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three adapters for `tiny`."""
    folder = tmp_path_factory.mktemp("adapters")
    return [adapters.write(folder / f"{n}.gguf", pairs) for n, pairs in enumerate(PAIRS)]


def logits(path: Path | AdaptedFile, threads: int = 1, sequences: int = 1) -> np.ndarray:
    """Return the logits after the tokens, in the last of the sequences."""
    with Model(path) as model:
        return logits_of(model, threads, sequences)


def logits_of(model: Model, threads: int = 1, sequences: int = 1) -> np.ndarray:
    with Context(model, None, threads, sequences) as context:
        context.evaluate(TOKENS[:-1], sequences - 1)
        context.step(TOKENS[-1:], [sequences - 1])
        return np.array(context.copy_logits())


def adapted(base: Path, files: list[Path], *scales: float) -> AdaptedFile:
    """Return a model with so many of the adapters, with these scales."""
    pairs = zip(files, scales, strict=False)
    return AdaptedFile(base, tuple(Adapter(file, scale) for file, scale in pairs))


@pytest.mark.parametrize("scales", [(1.0,), (-0.5,), (0.5, -1.25), (1.0, 0.0, 0.25)])
def test_it_is_as_if_the_weights_were_merged(
    tiny: Path, files: list[Path], scales: tuple[float, ...], tmp_path: Path
) -> None:
    changes = [(pairs, FACTOR * scale) for pairs, scale in zip(PAIRS, scales, strict=False)]
    merged = logits(adapters.merge(tiny, tmp_path / "merged.gguf", *changes))
    found = logits(adapted(tiny, files, *scales))
    bound = 1e-3 * np.abs(merged).max()
    assert np.abs(found - merged).max() < bound
    assert np.abs(logits(tiny) - merged).max() > 100 * bound


def test_without_alpha_the_rank_does_not_matter(tiny: Path, tmp_path: Path) -> None:
    file = adapters.write(tmp_path / "a.gguf", PAIRS[0], alpha=None)
    merged = logits(adapters.merge(tiny, tmp_path / "merged.gguf", (PAIRS[0], 0.5)))
    found = logits(adapted(tiny, [file], 0.5))
    assert np.abs(found - merged).max() < 1e-3 * np.abs(merged).max()


def test_a_scale_of_zero_changes_no_bit(tiny: Path, files: list[Path]) -> None:
    assert (logits(adapted(tiny, files, 0.0, 0.0)) == logits(tiny)).all()


def test_the_threads_change_no_bit(tmp_path: Path) -> None:
    shape = gguf.Shape(layers=1, width=64, tokens=1001)
    base = gguf.write(tmp_path / "base.gguf", shape, quantization="Q4_0")
    pairs = adapters.random_pairs(shape, 1, 16)
    file = adapters.write(tmp_path / "a.gguf", pairs)
    for sequences in (1, 3):
        one = logits(adapted(base, [file], 0.7), 1, sequences)
        for threads in (2, 3, 4):
            assert (logits(adapted(base, [file], 0.7), threads, sequences) == one).all()


def test_the_order_of_addition_is_not_left_to_addresses(
    tiny: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the adapters are in memory is different each time, and so was the sum of three."""
    file = adapted(tiny, files, 1.0, 1.0, 0.7)

    def all_logits() -> set[bytes]:
        with ExitStack() as held:  # so that each has other addresses
            models = [held.enter_context(Model(file)) for _ in range(60)]
            return {logits_of(model).tobytes() for model in models}

    assert len(all_logits()) == 1
    monkeypatch.setattr(adapter_loading, "_SURE_OF_ORDER", 3)
    assert len(all_logits()) > 1  # or else this test shows nothing


def test_addresses_that_never_fit_are_reported(
    tiny: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_loading, "_bucket", lambda _pointer: 0)
    monkeypatch.setattr(adapter_loading, "_TRIES", 3)
    with Model(adapted(tiny, files, 1.0, 1.0, 1.0)) as model:
        assert "in another order" in model.placement.warnings[0]


def test_the_states_are_changed_too(tiny: Path, files: list[Path]) -> None:
    with (
        Model(adapted(tiny, files, 0.0)) as model,
        Evaluator(model, threads=1, hidden_states=True) as evaluator,
    ):
        before = evaluator.hidden_states(TOKENS).copy()
        evaluator.scale_adapters([1.0])
        after = evaluator.hidden_states(TOKENS)
    assert not np.allclose(before, after)


def test_a_guess_without_the_adapters_is_not_used(tiny: Path, files: list[Path]) -> None:
    file = adapted(tiny, files, 0.5)
    for guess, wanted in ((tiny, file), (file, tiny), (adapted(tiny, files, 0.6), file)):
        load_early(guess)
        with load(wanted) as model:
            assert model.adapters == AdaptedFile.of(wanted).adapters


def test_repacked_weights_are_no_fault_of_the_file(tmp_path: Path) -> None:
    shape = gguf.Shape(layers=1, tokens=1001)
    base = gguf.write(tmp_path / "base.gguf", shape, quantization="Q4_0")
    file = adapters.write(tmp_path / "a.gguf", adapters.random_pairs(shape, 1))
    with Model(adapted(base, [file], 1.0)) as model:
        assert not model.placement.warnings


def _with_text(key: str, value: str) -> Callable[[gguf_package.GGUFWriter], object]:
    def add(writer: gguf_package.GGUFWriter) -> None:
        writer.kv_data[0].pop(key, None)
        writer.add_string(key, value)

    return add


def _with_number(key: str) -> Callable[[gguf_package.GGUFWriter], object]:
    def add(writer: gguf_package.GGUFWriter) -> None:
        writer.kv_data[0].pop(key, None)
        writer.add_float64(key, 8.0)

    return add


def _with_tokens(writer: gguf_package.GGUFWriter) -> None:
    writer.add_array("adapter.alora.invocation_tokens", [1, 2])


WEIGHT = "blk.0.attn_qkv.weight"
A, B = np.ones((4, 64), np.float32), np.ones((192, 4), np.float32)


@pytest.mark.parametrize(
    ("pairs", "add", "reason"),
    [
        # Without these checks, llama.cpp ends the process for most of them.
        ({WEIGHT: Pair(A, B)}, _with_number("general.type"), "general.type is not a text"),
        ({WEIGHT: Pair(A, B)}, _with_number("adapter.type"), "adapter.type is not a text"),
        ({WEIGHT: Pair(A, B)}, _with_number("general.architecture"), "not name the architecture"),
        ({WEIGHT: Pair(A, B)}, _with_number("adapter.lora.alpha"), "not a finite f32 number"),
        ({WEIGHT: Pair(A, B)}, _with_text("general.type", "model"), "general.type is 'model'"),
        ({WEIGHT: Pair(A, B)}, _with_text("general.architecture", "llama"), "'llama', and this"),
        ({WEIGHT: Pair(A, B)}, _with_tokens, "activated LoRA"),
        ({}, bool, "changes no weight"),
        ({"blk.7.attn_qkv.weight": Pair(A, B)}, bool, "which the model does not have"),
        ({WEIGHT: Pair(A[:, :32], B)}, bool, "does not fit the model"),
        ({WEIGHT: Pair(A, B[:, :3])}, bool, "does not fit the model"),
        ({WEIGHT: Pair(np.stack([A, A]), np.stack([B, B]))}, bool, "does not fit the model"),
        ({WEIGHT: Pair(A.astype(np.int32), B)}, bool, "of the type i32"),
        ({"blk.0.attn_qkv.bias": Pair(A[:, :1], B)}, bool, "can't apply"),
        ({"position_embd.weight": Pair(A, B[:128])}, bool, "can't apply"),
        ({"token_embd.weight": Pair(np.ones((4, 5001), np.float32), B[:64, :3])}, bool, "not fit"),
        ({"token_embd.weight": Pair(A, np.ones((5001, 4), np.float32))}, bool, "not fit"),
    ],
)
def test_what_llama_cpp_would_not_survive_is_refused(
    tiny: Path,
    tmp_path: Path,
    pairs: dict[str, Pair],
    add: Callable[[gguf_package.GGUFWriter], object],
    reason: str,
) -> None:
    file = adapters.write(tmp_path / "a.gguf", pairs, add=add)
    with pytest.raises(DistilError, match=reason) as error:
        Model(adapted(tiny, [file], 1.0))
    assert error.value.status == ExitStatus.MODEL_DAMAGED


def test_the_embeddings_of_a_tied_model_are_refused(bundled: Path, tmp_path: Path) -> None:
    """llama.cpp multiplies with the same matrices for the output, and they don't fit there."""
    with Model(bundled) as model:
        shape = gguf.Shape(width=model.width, tokens=model.vocabulary_size)
    pairs = adapters.random_pairs(shape, 1, names=("token_embd",))
    file = adapters.write(tmp_path / "a.gguf", pairs)
    with pytest.raises(DistilError, match="also the output layer"):
        Model(adapted(bundled, [file], 1.0))


def test_a_tensor_of_no_adapter_and_half_a_pair(tiny: Path, tmp_path: Path) -> None:
    for name, reason in (("x.weight", "no LoRA adapter has"), (f"{WEIGHT}.lora_a", "only one of")):

        def add(writer: gguf_package.GGUFWriter, name: str = name) -> None:
            writer.add_tensor(name, A)

        file = adapters.write(tmp_path / "a.gguf", {}, add=add)
        with pytest.raises(DistilError, match=reason):
            Model(adapted(tiny, [file], 1.0))


def test_layer_norms_are_reported(tiny: Path, tmp_path: Path) -> None:
    file = adapters.write(
        tmp_path / "a.gguf",
        {WEIGHT: Pair(A, B)},
        add=lambda writer: writer.add_tensor("blk.0.attn_norm.weight", A[0]),
    )
    with Model(adapted(tiny, [file], 1.0)) as model:
        assert "1 layer norms" in model.placement.warnings[0]


def test_scales_and_numbers_that_can_not_be() -> None:
    for scale in (float("nan"), float("inf"), 1e39):
        with pytest.raises(ParameterError):
            Adapter(Path("a.gguf"), scale)
    with pytest.raises(ParameterError):
        AdaptedFile(Path("base.gguf"), (Adapter(Path("a.gguf")),) * 9)


def test_damaged_adapters_crash_nothing() -> None:
    """A part of ``make fuzz``; see there."""
    command = [sys.executable, "-m", "tests.fuzz.damaged_models", "15", "1", "lora"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
