"""Where chunks end, and lines that may be there by now."""

import os

import pytest

from distilgpt2_cli.terminal.input import LineReader, lines_within
from distilgpt2_cli.workers.chunks import Cutter, Listed, texts_to_evaluate, texts_to_generate


def test_sizes() -> None:
    assert texts_to_generate(1, 1) == 32
    assert texts_to_generate(16, 1) == 128
    assert texts_to_generate(16, 5) == 25
    assert texts_to_generate(1, 1000) == 1
    assert [texts_to_evaluate(parallel) for parallel in (1, 3, 16, 256)] == [256, 258, 256, 256]


def test_a_chunk_ends_after_its_texts() -> None:
    cutter = Cutter(3)
    assert [cutter.ends_after("text") for _ in range(7)] == [False, False, True] * 2 + [False]
    assert not cutter.ends_after("x" * (2**20 - 5))
    assert cutter.ends_after("last")
    assert [cutter.ends_after_failure() for _ in range(1000)] == [False] * 999 + [True]


def test_listed_chunks() -> None:
    source = Listed([["a", "b"], ["c"]], worth_workers=True)
    assert [source.take() for _ in range(4)] == [("a", False), ("b", True), ("c", True), None]
    assert not Listed([["a"]], worth_workers=True).has(1)


@pytest.mark.parametrize("data", [b"", b"a", b"a\n\nbc\r\n", b"12345\n123456\n1234567", b"x" * 99])
def test_the_same_lines(data: bytes) -> None:
    read_end, write_end = os.pipe()
    reader = LineReader(read_end, 6, lambda error: error)
    assert not reader.ready()
    os.write(write_end, data)
    assert reader.ready() == (b"\n" in data)
    assert not reader.has(9, 100)
    os.close(write_end)
    assert reader.ready()
    rest = [*data.splitlines(keepends=True)]
    expected = list(lines_within(lambda size: _taken(rest, size), 6))
    assert list(reader) == expected
    os.close(read_end)


def _taken(lines: list[bytes], size: int) -> bytes:
    if not lines:
        return b""
    taken, rest = lines[0][:size], lines[0][size:]
    lines[:1] = [rest] if rest else []
    return taken


def test_lines_that_are_there() -> None:
    read_end, write_end = os.pipe()
    reader = LineReader(read_end, 100, lambda error: error)
    os.write(write_end, b"one\ntwo\nthr")
    assert reader.has(2, 100)
    assert not reader.has(3, 100)
    assert reader.has(3, 8)
    assert next(reader) == b"one\n"
    assert not reader.has(3, 8)
    os.close(write_end)
    os.close(read_end)
