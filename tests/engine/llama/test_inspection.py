"""What llama.cpp reads in a file is what the gguf package, another reader, reads in it."""

from pathlib import Path

import gguf as gguf_format
import numpy as np
import pytest

from distilgpt2_cli.engine.llama.gguf import SHORT_ARRAY, Array
from distilgpt2_cli.engine.llama.inspection import Inspection, TensorType, inspect
from distilgpt2_cli.models import demo
from tests.support import gguf
from tests.support.gguf_copy import copy_with_number
from tests.support.gguf_tensors import Reader

KINDS = gguf_format.GGUFValueType
SMALL = gguf.Shape(layers=1, width=64, heads=2, context=32, tokens=5001)
FOR_K_QUANTS = gguf.Shape(
    layers=1, width=256, heads=2, context=32, tokens=5001
)  # rows divisible by 256


def assert_agrees(inspection: Inspection, path: Path) -> None:
    """Compare tensors and metadata with those that the gguf package reads."""
    reader = Reader(path)
    assert [
        (tensor.name, tensor.type.upper(), list(tensor.shape), tensor.elements, tensor.bytes)
        for tensor in inspection.tensors
    ] == [
        (
            tensor.name,
            tensor.tensor_type.name,
            tensor.shape.tolist(),
            tensor.n_elements,
            tensor.n_bytes,
        )
        for tensor in reader.tensors
    ]
    fields = {key: value for key, value in reader.fields.items() if not key.startswith("GGUF.")}
    assert list(inspection.metadata) == list(fields)
    for key, field in fields.items():
        assert_same(inspection.metadata[key], field)


def assert_same(value: object, field: gguf_format.ReaderField) -> None:
    if isinstance(value, Array):
        assert value.length == len(field.data)
        if value.length > SHORT_ARRAY:
            assert value.values is None
        else:
            assert list(value.values or ()) == field.contents()
        return
    expected = field.contents()
    if field.types == [KINDS.FLOAT32]:
        expected = float(str(np.float32(expected)))
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("quantization", "shape"), [("Q5_1", SMALL), ("Q8_0", SMALL), ("Q4_K_M", FOR_K_QUANTS)]
)
def test_a_quantized_model(tmp_path: Path, quantization: str, shape: gguf.Shape) -> None:
    path = gguf.write(tmp_path / "model.gguf", shape, quantization=quantization)
    inspection = inspect(path)
    assert_agrees(inspection, path)
    assert inspection.quantization == quantization
    assert len(inspection.tensor_types) > 1


def test_the_shape_of_a_model(tiny: Path) -> None:
    inspection = inspect(tiny)
    assert_agrees(inspection, tiny)
    assert inspection.architecture == "gpt2"
    assert inspection.quantization == "F32"
    assert (inspection.layers, inspection.width, inspection.heads) == (2, 64, 2)
    assert (inspection.context_window, inspection.usable_window) == (128, 128)
    assert inspection.vocabulary_size == 5001
    assert inspection.tokenizer == "byte-level BPE"
    weights = gguf.weights(gguf.Shape(tokens=5001), seed=0)
    assert inspection.parameters == sum(tensor.size for tensor in weights.values())
    (kind,) = inspection.tensor_types
    assert kind == TensorType("f32", len(weights), inspection.parameters, 4 * inspection.parameters)
    assert kind.bits_per_weight == 32


def test_a_trained_model(trained: Path) -> None:
    inspection = inspect(trained)
    assert_agrees(inspection, trained)
    assert (inspection.architecture, inspection.quantization) == ("llama", "Q4_1")
    assert (inspection.layers, inspection.width, inspection.heads) == (30, 576, 9)
    assert (inspection.context_window, inspection.vocabulary_size) == (8192, 49152)
    assert inspection.parameters == 134_515_008


def test_the_demo_model() -> None:
    inspection = inspect(demo().path)
    assert_agrees(inspection, demo().path)
    assert inspection.parameters == 9_979_040
    assert inspection.metadata["general.license"] == "apache-2.0"
    assert inspection.metadata["general.languages"] == Array("str", 1, ("en",))


def test_types_are_summed_up_and_ordered() -> None:
    inspection = inspect(demo().path)
    sizes = [kind.bytes for kind in inspection.tensor_types]
    assert sizes == sorted(sizes, reverse=True)
    for of_types, of_all in (
        (sum(sizes), sum(tensor.bytes for tensor in inspection.tensors)),
        (sum(kind.elements for kind in inspection.tensor_types), inspection.parameters),
        (sum(kind.tensors for kind in inspection.tensor_types), len(inspection.tensors)),
    ):
        assert of_types == of_all
    bits = {kind.type: kind.bits_per_weight for kind in inspection.tensor_types}
    assert bits["q4_0"] == 4.5  # 32 weights of 4 bits and a scale of 16
    assert bits["f32"] == 32


def test_every_kind_of_value(tmp_path: Path) -> None:
    limits = {
        kind: (np.iinfo(kind.name.lower()).min, np.iinfo(kind.name.lower()).max)
        for kind in KINDS
        if "INT" in kind.name
    }
    floats = (0.1, 1e-5, 1 / 3, 3.4028234663852886e38, 1e-45, -2.0, 16777217.0)

    def add(writer: gguf_format.GGUFWriter) -> None:
        for kind, both in limits.items():
            for limit in both:
                writer.add_key_value(f"test.{kind.name}.{limit}", limit, kind)
            writer.add_key_value(f"test.{kind.name}", list(both), KINDS.ARRAY, kind)
        for number in floats:
            writer.add_float32(f"test.f32.{number}", number)
            writer.add_float64(f"test.f64.{number}", number)
        for truth in (True, False):
            writer.add_bool(f"test.{truth}", truth)
        writer.add_array("test.bools", [True, False, True])
        writer.add_array("test.floats", list(floats))
        writer.add_array("test.texts", ["", "é\n", "\x1b[1m"])
        writer.add_array("test.many", list(range(SHORT_ARRAY + 1)))
        writer.add_key_value("test.empty", "", KINDS.STRING)

    path = gguf.write(tmp_path / "values.gguf", SMALL, add=add)
    metadata = inspect(path).metadata
    fields = Reader(path).fields
    for key in fields.keys() & metadata.keys() - {"test.floats"}:
        assert_same(metadata[key], fields[key])
    assert metadata["test.texts"] == Array("str", 3, ("", "é\n", "\x1b[1m"))
    assert metadata["test.bools"] == Array("bool", 3, (True, False, True))
    assert metadata["test.many"] == Array("i32", SHORT_ARRAY + 1, None)
    assert metadata["test.f32.0.1"] == 0.1
    # Its writer makes 32-bit floats of Python's in an array.
    decimals = tuple(float(str(np.float32(number))) for number in floats)
    assert metadata["test.floats"] == Array("f32", len(floats), decimals)
    assert metadata["test.UINT64.18446744073709551615"] == 2**64 - 1
    assert metadata["test.INT64.-9223372036854775808"] == -(2**63)
    assert metadata["test.empty"] == ""


def test_texts_that_are_none(tmp_path: Path) -> None:
    def add(writer: gguf_format.GGUFWriter) -> None:
        writer.add_key_value("test.bytes", b"a\xff\xc3z", KINDS.STRING)
        writer.add_key_value("test.null", b"before\0after", KINDS.STRING)

    metadata = inspect(gguf.write(tmp_path / "texts.gguf", SMALL, add=add)).metadata
    assert metadata["test.bytes"] == "a\ufffd\ufffdz"
    assert metadata["test.null"] == "before"


def test_a_quantization_without_a_name(tmp_path: Path) -> None:
    path = gguf.write(
        tmp_path / "unknown.gguf",
        SMALL,
        without=("general.file_type",),
        add=lambda writer: writer.add_file_type(1000),
    )
    assert inspect(path).quantization is None


def test_a_file_that_does_not_tell_its_quantization(tmp_path: Path) -> None:
    path = gguf.write(tmp_path / "untold.gguf", SMALL, without=("general.file_type",))
    assert inspect(path).quantization == "F32"


def test_a_model_with_a_longer_window_than_distil_uses(trained: Path, tmp_path: Path) -> None:
    key = "llama.context_length"
    inspection = inspect(copy_with_number(trained, tmp_path / "long.gguf", key, 32768))
    assert (inspection.context_window, inspection.usable_window) == (32768, 8192)


def test_a_split_model(tmp_path: Path) -> None:
    whole = inspect(gguf.write(tmp_path / "whole.gguf", SMALL))
    gguf.write(
        tmp_path / "split.gguf", SMALL, add=lambda writer: setattr(writer, "split_max_tensors", 8)
    )
    split = inspect(tmp_path / "split-00001-of-00003.gguf")
    assert split.metadata["split.count"] == 3
    assert split.tensors == whole.tensors
