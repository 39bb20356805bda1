"""Model files, vocabulary and what llama.cpp refuses."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilgpt2_cli.engine import Model
from distilgpt2_cli.errors import ModelDamagedError
from tests.support import gguf


@pytest.fixture(scope="module")
def model(tiny_gpt2: Path) -> Model:
    return Model(tiny_gpt2)


def test_special_tokens_in_text_are_text(model: Model) -> None:
    tokens = model.tokenize("a<|endoftext|>b")
    assert gguf.END_OF_TEXT not in tokens
    assert b"".join(map(model.piece, tokens)) == b"a<|endoftext|>b"


@given(st.text())
@settings(max_examples=200)
def test_tokens_spell_the_text(model: Model, text: str) -> None:
    assert b"".join(map(model.piece, model.tokenize(text))) == text.encode()


def test_pieces_of_every_token(model: Model) -> None:
    """Also of those over 32 bytes, which the high-level class loses."""
    pieces = [model.piece(token) for token in range(model.vocabulary_size)]
    assert [token for token, piece in enumerate(pieces) if not piece] == [gguf.END_OF_TEXT]
    assert max(map(len, pieces)) > 64


def test_ends(model: Model) -> None:
    assert model.end_tokens == [gguf.END_OF_TEXT]
    assert model.ends_text(gguf.END_OF_TEXT)
    assert not model.ends_text(0)


@pytest.mark.parametrize("size", [0, 3, 4, 100, 100_000, 1_000_000])
def test_a_cut_file_is_refused_with_llama_cpp_s_reason(
    tiny_gpt2: Path, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny_gpt2.read_bytes()[:size])
    with pytest.raises(ModelDamagedError, match=r"can't load .*cut\.gguf: (?!no reason)."):
        Model(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<html>Not found</html>" * 100)
    with pytest.raises(ModelDamagedError, match="magic"):
        Model(path)


def test_the_reason_is_known_also_after_the_whole_package_was_imported(tmp_path: Path) -> None:
    """Its ``__init__`` puts a logger of its own in place of ours."""
    path = tmp_path / "page.gguf"
    path.write_text("<html>Not found</html>" * 100)
    script = (
        "import sys, distilgpt2_cli.engine.llama.model, llama_cpp\n"
        "from distilgpt2_cli.engine import Model\n"
        "Model(sys.argv[1])\n"
    )
    result = subprocess.run([sys.executable, "-c", script, path], capture_output=True)
    assert b"magic" in result.stderr.splitlines()[-1]
