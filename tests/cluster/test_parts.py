"""How rows are cut into parts, and parts into chunks."""

import io
import random
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest

from distilgpt2_cli.cli.shared.lines import LineSource, line_source
from distilgpt2_cli.cli.shared.options import TextOptions
from distilgpt2_cli.cli.shared.texts import InputLines
from distilgpt2_cli.cluster.addresses import find_inputs
from distilgpt2_cli.cluster.parts import MOST_CHARACTERS, Part, chunks, cut, decode, encode
from distilgpt2_cli.cluster.reading import RowReader
from distilgpt2_cli.cluster.rows import Row
from distilgpt2_cli.errors import DistilError
from distilgpt2_cli.terminal import Terminal

Chunks = list[list[tuple[int, str, int]]]


def chunks_of_lines(path: Path, texts: int) -> Chunks:
    """Return the chunks that ``--lines`` cuts a file into: number, text and place of each text."""
    terminal = Terminal(None, io.BytesIO(), io.BytesIO(), {})
    lines = InputLines(terminal, TextOptions(file=str(path)), "generate")
    with line_source(lines, texts) as source:
        return list(_chunks(source))


def _chunks(source: LineSource) -> Iterator[list[tuple[int, str, int]]]:
    chunk: list[tuple[int, str, int]] = []
    while (taken := source.take()) is not None:
        text, is_last = taken
        if text is not None:
            chunk.append((text.number, text.text, text.place))
        if is_last and chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def input_data(seed: int) -> bytes:
    """Return lines, of which many are empty, not UTF-8, or long."""
    draw = random.Random(seed)
    kinds = [b"", b"\xff", b"word", b"a text of some length", b"y" * 400_000, b"z" * (2**20 + 1)]
    weights = draw.choice([(3, 3, 9, 9, 0, 0), (1, 20, 2, 2, 0, 0), (1, 1, 5, 5, 3, 1)])
    lines = draw.choices(kinds, weights, k=draw.choice([0, 5, 60, 3000 if not weights[4] else 60]))
    return b"\n".join(lines) + draw.choice([b"", b"\n", b"\n\n\n"])


@pytest.mark.parametrize("seed", range(40))
def test_chunks_are_those_of_lines_whatever_the_parts(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(input_data(seed))
    draw = random.Random(seed)
    inputs = find_inputs([str(path)], None, None)
    texts = draw.choice([1, 2, 7, 32, 256])
    expected = chunks_of_lines(path, texts)
    for part_rows in (1, draw.choice([3, 50, 300]), 10**9):
        reader = RowReader(inputs)
        parts = list(cut(reader, texts, part_rows))
        found = [
            [(row.number, row.text, place) for row, place in chunk]
            for part in parts
            for chunk in chunks(part, texts)
        ]
        assert found == expected
        assert list(chain.from_iterable(part.rows for part in parts)) == list(RowReader(inputs))
        assert [part.number for part in parts] == list(range(len(parts)))
        assert sum(part.empty + len(part.rows) for part in parts) == reader.count
        assert sum(part.size for part in parts) == path.stat().st_size
        assert all(len(part.rows) >= part_rows for part in parts[:-1])
        for part in parts:
            assert decode(encode(part)) == part
            assert decode(encode(part)).digest == part.digest


class Listed:
    """Rows that are known, and then perhaps an error."""

    consumed = 0

    def __init__(self, rows: Sequence[Row], error: Exception | None = None) -> None:
        self.count = rows[-1].number if rows else 0
        self._rows = rows
        self._error = error

    def __iter__(self) -> Iterator[Row]:
        yield from self._rows
        if self._error:
            raise self._error


def test_an_error_leaves_only_complete_parts() -> None:
    """What is cut before it is what is cut without it."""
    rows = [Row(number, "x") for number in range(1, 25)]
    whole = list(cut(Listed(rows), 5, 10))
    seen = []
    with pytest.raises(DistilError, match="Gone"):  # noqa: PT012 - the parts before count
        for part in cut(Listed(rows[:23], DistilError("Gone.", "Look.")), 5, 10):
            seen.append(part)
    assert [len(part.rows) for part in whole] == [10, 10, 4]
    assert seen == whole[:2]


def test_long_texts_and_identifiers_end_a_part() -> None:
    text = "x" * 2**19
    long = list(cut(Listed([Row(number, text) for number in range(1, 80)]), 4, 10**6))
    assert [len(part.rows) for part in long] == [MOST_CHARACTERS // 2**19] * 2 + [15]
    named = [Row(number, "", "k" * 2**20) for number in range(1, 40)]
    assert [len(part.rows) for part in cut(Listed(named), 1, 10**6)] == [16, 16, 7]


def test_nothing_is_one_part() -> None:
    (part,) = cut(Listed([]), 5, 10)
    assert part == Part(0, 0, [])
    assert decode(encode(part)) == part
    assert list(chunks(part, 5)) == []


def test_the_digest_is_that_of_all_that_is_computed_from() -> None:
    row = Row(1, "a", 7)
    part = Part(0, 0, [row], 1, 50)
    same = Part(0, 0, [Row(1, "a", 7)], 1, 60)
    assert part.digest == same.digest
    others = [
        Part(1, 0, [row], 1),
        Part(0, 1, [row], 1),
        Part(0, 0, [row]),
        Part(0, 0, [row._replace(number=2)], 1),
        Part(0, 0, [row._replace(text="b")], 1),
        Part(0, 0, [row._replace(identifier="7")], 1),
        Part(0, 0, [row._replace(problem=("It is bad.", "Mend it."))], 1),
        Part(0, 0, [row, Row(2, "")], 1),
    ]
    assert len({part.digest, *(other.digest for other in others)}) == 9
    for other in others:
        assert decode(encode(other)) == other


def test_how_far_a_small_file_is_read(tmp_path: Path) -> None:
    """A bar moves with the parts."""
    path = tmp_path / "a.txt"
    path.write_text("".join(f"Line number {number} of the story\n" for number in range(3000)))
    sizes = [part.size for part in cut(RowReader(find_inputs([str(path)], None, None)), 32, 96)]
    assert sum(sizes) == path.stat().st_size
    assert max(sizes) < path.stat().st_size / 10
