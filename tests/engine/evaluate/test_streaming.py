"""Texts tokenized in blocks, and bytes of every kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distilgpt2_cli.engine import Model, stream_tokens
from distilgpt2_cli.engine.evaluate.streaming import last_tokens
from distilgpt2_cli.errors import UsageError
from tests.support import gguf
from tests.support.extent import ALL_CASES

WORDS = st.sampled_from(
    [
        "the",
        "it's",
        "naïve",
        "東京",
        "12345",
        "3.14",
        "a-b",
        "...",
        "\u00a0",
        "don't",
        "x" * 30,
        "é",
    ]
)
SPACES = st.sampled_from([" ", " ", " ", "  ", "\n", "\n\n", "\t", " \n ", "", ", "])


@pytest.fixture(scope="module")
def model(tiny_gpt2: Path) -> Iterator[Model]:
    with Model(tiny_gpt2) as model:
        yield model


@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"a\x80b\xc3")
@example("e\u0301 \U0001f469\u200d\U0001f467 \ufffd".encode())
@example(b"<|endoftext|>\x00\r\n")
@settings(max_examples=150 if ALL_CASES else 50)
def test_any_bytes_come_back(model: Model, data: bytes) -> None:
    for special in (False, True):
        tokens = model.tokenize_bytes(data, parse_special=special)
        assert b"".join(model.piece(token, special=True) for token in tokens) == data


@given(st.text(max_size=60))
@settings(max_examples=100 if ALL_CASES else 40)
def test_text_is_tokenized_as_in_a_prompt(model: Model, text: str) -> None:
    assert model.tokenize_bytes(text.encode()) == model.tokenize(text)


def test_special_tokens_on_request(model: Model) -> None:
    assert gguf.END_OF_TEXT not in model.tokenize_bytes(b"a<|endoftext|>")
    assert model.tokenize_bytes(b"a<|endoftext|>b", parse_special=True)[1] == gguf.END_OF_TEXT
    assert model.piece(gguf.END_OF_TEXT) == b""
    assert model.piece(gguf.END_OF_TEXT, special=True) == b"<|endoftext|>"


@given(st.lists(st.tuples(WORDS, SPACES), max_size=60), st.integers(1, 50), st.integers(20, 60))
@settings(max_examples=100 if ALL_CASES else 40)
def test_blocks_make_no_difference(
    model: Model, pairs: list[tuple[str, str]], part: int, block: int
) -> None:
    text = "".join(word + space for word, space in pairs)
    parts = [text[start : start + part] for start in range(0, len(text), part)]
    streamed = list(stream_tokens(model, parts, block=block))
    whole = model.tokenize(text)
    assert b"".join(map(model.piece, streamed)) == text.encode()
    if all(" " in text[start : start + 15] for start in range(0, len(text), 15)):
        assert streamed == whole


@given(st.lists(st.tuples(WORDS, SPACES), max_size=300), st.integers(1, 40))
@settings(max_examples=100 if ALL_CASES else 40)
def test_the_last_tokens_are_those_of_the_whole_text(
    model: Model, pairs: list[tuple[str, str]], count: int
) -> None:
    text = "".join(word + space for word, space in pairs)
    assert last_tokens(model, text, count) == model.tokenize(text)[-count:]


def test_a_long_text_in_blocks(model: Model) -> None:
    text = "It was a dark and stormy night; the rain fell, and fell.\n\n" * 12_000
    parts = (text[start : start + 1000] for start in range(0, len(text), 1000))
    assert list(stream_tokens(model, parts)) == model.tokenize(text)


def test_a_long_text_without_white_space(model: Model) -> None:
    text = "東京" * 100_000
    streamed = list(stream_tokens(model, [text]))
    assert b"".join(map(model.piece, streamed)) == text.encode()


def test_a_byte_without_a_token(trained: Path) -> None:
    """SmolLM2's vocabulary has no token for some bytes that UTF-8 never has."""
    with Model(trained) as model:
        known = {model.piece(token) for token in range(model.vocabulary_size)}
        missing = [byte for byte in range(128, 256) if bytes([byte]) not in known]
        for byte in missing:
            with pytest.raises(UsageError, match=f"0x{byte:02x}"):
                model.tokenize_bytes(bytes([byte]))
