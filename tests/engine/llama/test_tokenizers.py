"""Files whose tokenizers are not those of GPT-2, or do not say that they are."""

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from distilgpt2_cli.engine import Model
from tests.support import gguf
from tests.support.gguf_copy import copy_with_number, copy_with_text, copy_without
from tests.support.run import DISTIL

PRE = "tokenizer.ggml.pre"
TEXT = "I'm   here: 1234567!? café 😀\n\n"


def test_a_gpt2_that_does_not_name_its_pre_tokenizer(tmp_path: Path, bundled: Path) -> None:
    with (
        Model(bundled) as model,
        Model(copy_without(bundled, tmp_path / "old.gguf", PRE)) as old,
    ):
        assert old.tokenize(TEXT) == model.tokenize(TEXT)
        assert model.placement.warnings == ()
        assert old.placement.warnings == (
            "old.gguf doesn't name its pre-tokenizer, so distil uses that of GPT-2.",
        )


def test_another_model_that_does_not_name_it(tmp_path: Path, trained: Path) -> None:
    with Model(copy_without(trained, tmp_path / "old.gguf", PRE)) as model:
        (warning,) = model.placement.warnings
    assert warning.startswith("old.gguf doesn't name its pre-tokenizer: its tokens, texts and ")


def test_what_llama_cpp_warns_of(tmp_path: Path, bundled: Path) -> None:
    path = copy_with_number(bundled, tmp_path / "odd.gguf", "tokenizer.ggml.bos_token_id", 60_000)
    with Model(path) as model:
        (warning,) = model.placement.warnings
    assert warning == (
        "llama.cpp warns about odd.gguf: bad special token: 'tokenizer.ggml.bos_token_id' = 60000,"
        " using default id 11."
    )


def bloom(bundled: Path, folder: Path) -> Path:
    return copy_with_text(bundled, folder / "bloom.gguf", PRE, "bloom")


def lookahead(_bundled: Path, folder: Path) -> Path:
    return gguf.write(
        folder / "gpt-4o.gguf",
        without=(PRE,),
        add=lambda writer: writer.add_tokenizer_pre("gpt-4o"),
    )


@pytest.mark.parametrize("make", [bloom, lookahead])
def test_long_runs_where_texts_are_split_by_regular_expressions(
    tmp_path: Path, bundled: Path, make: Callable[[Path, Path], Path]
) -> None:
    stack = threading.stack_size()
    with Model(make(bundled, tmp_path)) as model:
        for text in ("-" * 60_000, "a" * 60_000, "7" * 60_000, " " * 60_000, "中" * 60_000):
            assert b"".join(map(model.piece, model.tokenize(text))) == text.encode()
        text = TEXT * 100  # short enough to be tokenized in this thread as well
        assert model.tokenize(text) == model._tokenize_bytes(text.encode(), add_special=True)
    assert threading.stack_size() == stack


def test_no_memory_for_a_stack(env: dict[str, str], tmp_path: Path, bundled: Path) -> None:
    command = [*DISTIL, "tokenize", "--count", "--model", str(bloom(bundled, tmp_path))]
    limit = ["sh", "-c", 'ulimit -v 400000 && exec "$@"', "sh"]
    result = subprocess.run([*limit, *command], env=env, input=b"-" * 500_000, capture_output=True)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == (
        b"Error: There is not enough memory to tokenize a text of 500000 characters. Split the"
        b" text, or close other programs.\n"
    )
