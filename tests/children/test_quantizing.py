"""One model file made of another: llama.cpp's own result, and no harm where llama.cpp gives up."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from distilgpt2_cli.children.quantizing import quantize
from distilgpt2_cli.engine.quantizations import FLOATS, QUANTIZATIONS
from distilgpt2_cli.errors import DistilError, ModelDamagedError, ParameterError, UsageError
from distilgpt2_cli.files import new_file
from distilgpt2_cli.models.catalog import CATALOG
from tests.support import gguf
from tests.support.gguf_copy import copy_with_number
from tests.support.gguf_tensors import read

MIXED = ("token_embd.weight", "output.weight", "blk.0.attn_qkv.weight", "blk.0.ffn_down.weight")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose rows can have blocks of 256 weights."""
    shape = gguf.Shape(width=256, heads=4, tokens=600)
    return gguf.write(tmp_path_factory.mktemp("models") / "wide.gguf", shape)


def types_of(path: Path) -> dict[str, str]:
    return {name: tensor.type for name, tensor in read(path)[1].items()}


def children() -> list[int]:
    """Return the processes that quantize, among those that this one has started."""
    started = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    module = quantize.__module__.encode()
    return [int(each) for each in started if module in Path(f"/proc/{each}/cmdline").read_bytes()]


@contextmanager
def smallest_files(size: int) -> Iterator[None]:
    """Let no file of this process, nor of those that it starts, have more bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_names_are_those_of_the_catalog_and_of_floats() -> None:
    assert (*(entry.quantization for entry in CATALOG), *FLOATS) == QUANTIZATIONS


@pytest.mark.parametrize("name", ["Q4_K_M", "Q2_K", "Q5_1", "F16"])
def test_the_tensors_are_llama_cpp_s(wide: Path, tmp_path: Path, name: str) -> None:
    done: list[int] = []
    own_path = tmp_path / "own.gguf"
    assert quantize(wide, own_path, name.lower(), threads=3, advance=done.append) == ()
    gguf.quantize(wide, tmp_path / "llama.gguf", name)
    own, llama = (read(tmp_path / f"{each}.gguf")[1] for each in ("own", "llama"))
    assert own.keys() == llama.keys()
    assert all(own[each].type == llama[each].type for each in own)
    assert all(np.array_equal(own[each].data, llama[each].data) for each in own)
    assert sum(done) == wide.stat().st_size
    assert len(done) > len(own)


def test_pure_is_one_type_and_otherwise_there_is_a_mix(wide: Path, tmp_path: Path) -> None:
    quantize(wide, tmp_path / "mixed.gguf", "Q4_K_M")
    quantize(wide, tmp_path / "pure.gguf", "Q4_K_M", pure=True)
    assert len({types_of(tmp_path / "mixed.gguf")[name] for name in MIXED}) > 1
    assert {types_of(tmp_path / "pure.gguf")[name] for name in MIXED} == {"Q4_K"}


def test_floats_of_half_the_size_are_a_source_too(wide: Path, tmp_path: Path) -> None:
    quantize(wide, tmp_path / "half.gguf", "F16")
    quantize(tmp_path / "half.gguf", tmp_path / "whole.gguf", "F32")
    assert types_of(tmp_path / "whole.gguf").keys() == types_of(wide).keys()
    assert set(types_of(tmp_path / "whole.gguf").values()) == {"F32"}


def test_rows_without_blocks_are_reported(tiny: Path, tmp_path: Path) -> None:
    (notice,) = quantize(tiny, tmp_path / "other.gguf", "Q4_K_M")
    assert notice.startswith("The blocks of Q4_K_M don't fit the rows of 7 of 29 tensors")


def test_what_can_t_be_quantized(wide: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.gguf"
    with pytest.raises(ParameterError, match="quant can't be 'Q9'"):
        quantize(wide, target, "Q9")
    gguf.quantize(wide, tmp_path / "q8.gguf", "Q8_0")
    with pytest.raises(UsageError, match=r"q8\.gguf is already quantized: it has q8_0\. Use the F"):
        quantize(tmp_path / "q8.gguf", target, "Q4_0")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(wide.read_bytes()[:-1000])
    with pytest.raises(ModelDamagedError, match=r"cut\.gguf: .* is not within the file bounds"):
        quantize(cut, target, "Q4_0")
    fewer = gguf.write(tmp_path / "no_vocabulary.gguf", without=("tokenizer.",))
    with pytest.raises(ModelDamagedError, match=r"was made of \S+no_vocabulary\.gguf: "):
        quantize(fewer, target, "Q4_0")


def test_llama_cpp_may_end_the_process(wide: Path, tmp_path: Path) -> None:
    bad = copy_with_number(wide, tmp_path / "layers.gguf", "gpt2.block_count", 0)
    with pytest.raises(
        ModelDamagedError, match=r"gave up on the model: its check `hparams\.n_layer"
    ):
        quantize(bad, tmp_path / "target.gguf", "Q4_0")
    assert children() == []


def test_weights_that_are_not_numbers(wide: Path, tmp_path: Path) -> None:
    content = bytearray(wide.read_bytes())
    content[-4:] = np.float32(np.nan).tobytes()
    bad = tmp_path / "nan.gguf"
    bad.write_bytes(content)
    with pytest.raises(ModelDamagedError, match=r"tensor '.*' has invalid data"):
        quantize(bad, tmp_path / "target.gguf", "Q4_0")


def test_a_full_disk(wide: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.gguf"
    with smallest_files(100_000), pytest.raises(OSError, match="File too large"):
        quantize(wide, target, "Q8_0")
    with (
        smallest_files(100_000),
        pytest.raises(DistilError, match=r"File too large\. Raise the limit"),
        new_file(target, force=True) as part,
    ):
        quantize(wide, part, "Q8_0")


def test_an_interrupt_ends_the_process(wide: Path, tmp_path: Path) -> None:
    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize(wide, tmp_path / "target.gguf", "Q2_K", advance=interrupt)
    assert children() == []


def test_a_process_that_is_ended_by_others(wide: Path, tmp_path: Path) -> None:
    def end_it(_count: int) -> None:
        os.kill(children()[0], 11)

    with pytest.raises(ModelDamagedError, match=r"crashed while quantizing .*\(Segmentation fault"):
        quantize(wide, tmp_path / "target.gguf", "Q2_K", advance=end_it)
