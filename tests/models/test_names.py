"""Quantizations are read from untrusted file names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilgpt2_cli.errors import ModelUnavailableError, UsageError
from distilgpt2_cli.models.names import check_quantization, choose, models, without_quantization


@pytest.mark.parametrize(
    ("name", "quantization"),
    [
        ("distilgpt2.Q4_K_M.gguf", "Q4_K_M"),
        ("model-q4_k.gguf", "Q4_K"),
        ("model-Q4_0.gguf", "Q4_0"),
        ("model-IQ4_XS.gguf", "IQ4_XS"),
        ("model-Q4_0_8_8.gguf", "Q4_0_8_8"),
        ("Q8_0/model-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("model-f16.Q2_K.gguf", "Q2_K"),
        ("model_BF16.GGUF", "BF16"),
        ("F16.gguf", "F16"),
        ("model-TQ1_0.gguf", "TQ1_0"),
        ("model-fp16.gguf", "F16"),
        ("model.f32.gguf", "F32"),
        ("Q4_K_M.gguf", "Q4_K_M"),
        ("gguf/Q4_K_M.gguf", "Q4_K_M"),
        ("BF16/model.gguf", "BF16"),
        ("model-Q4_K_M-imatrix.gguf", "Q4_K_M"),
    ],
)
def test_a_quantization_is_found_in_a_name(name: str, quantization: str) -> None:
    assert models([name]) == {name: quantization}


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "model.Q4_K_M.bin",
        "model.gguf",
        "modelQ4_K_M.gguf",
        "model-Q4_0x.gguf",
        "model-Q4_K_M-00001-of-00003.gguf",
        "mmproj-F16.gguf",
        "mmproj-model-f16.gguf",
        "model-mmproj-Q8_0.gguf",
        "imatrix-F16.gguf",
        "model-f16.imatrix.gguf",
        "../model-Q4_K_M.gguf",
        "a/../../model-Q4_K_M.gguf",
        "/etc/model-Q4_K_M.gguf",
        "..\\model-Q4_K_M.gguf",
    ],
)
def test_other_names_and_dangerous_ones_are_left_out(name: str) -> None:
    assert models([name]) == {}


@given(st.lists(st.text()))
def test_no_name_is_too_strange(names: list[str]) -> None:
    assert set(models([*names, "m-Q4_0.gguf"])) >= {"m-Q4_0.gguf"}


def test_none_or_several_files_of_a_quantization_are_listed() -> None:
    names = ["a.Q4_0.gguf", "b.Q4_0.gguf", "a.Q8_0.gguf"]
    assert choose(names, "Q8_0", "some/models") == "a.Q8_0.gguf"
    with pytest.raises(ModelUnavailableError, match=r"several Q4_0 files: a\.Q4_0\.gguf, b\.Q4_0"):
        choose(names, "Q4_0", "some/models")
    with pytest.raises(ModelUnavailableError, match=r"no Q2_K file; it has .*a\.Q8_0\.gguf"):
        choose(names, "Q2_K", "some/models")
    with pytest.raises(ModelUnavailableError, match="no GGUF file"):
        choose(["README.md"], "Q2_K", "some/models")
    parts = ["a-BF16-00001-of-00002.gguf", "a-BF16-00002-of-00002.gguf"]
    with pytest.raises(ModelUnavailableError, match=r"has BF16 only in parts: a-BF16-00001"):
        choose([*parts, *names], "BF16", "some/models")
    with pytest.raises(ModelUnavailableError, match=r"no F16 file; it has a\.Q4_0\.gguf"):
        choose(["mmproj-F16.gguf", *names], "F16", "some/models")


def test_a_label_has_the_shape_of_a_quantization() -> None:
    assert check_quantization("iq4_xs") == "IQ4_XS"
    assert check_quantization("fp16") == "F16"
    for label in ("", "Q4", "../Q4_0", "Q4_0\n", "large"):
        with pytest.raises(UsageError):
            check_quantization(label)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("mine.F16.gguf", "mine"),
        ("mine-fp32.GGUF", "mine"),
        ("my_model_BF16.gguf", "my_model"),
        ("model-f16.Q2_K.gguf", "model-f16"),
        ("mine-F16-00001-of-00002.gguf", "mine"),
        ("F16.gguf", "F16"),
        ("mine.gguf", "mine"),
        ("model-F16-imatrix.gguf", "model-F16-imatrix"),
        ("archive", "archive"),
    ],
)
def test_the_name_of_other_quantizations(name: str, stem: str) -> None:
    assert without_quantization(name) == stem
