"""Rows of files, wherever they are, in each format."""

import bz2
import datetime
import decimal
import gzip
import io
import json
import random
import uuid
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.cli.shared.options import TextOptions
from distilgpt2_cli.cli.shared.texts import InputLines
from distilgpt2_cli.cluster.addresses import find_inputs
from distilgpt2_cli.cluster.reading import RowReader
from distilgpt2_cli.cluster.rows import Row
from distilgpt2_cli.errors import DistilError
from distilgpt2_cli.lines import MAX_LINE_BYTES
from distilgpt2_cli.terminal import Terminal
from tests.support.object_store import ObjectStore

LONG = MAX_LINE_BYTES


def rows_of(*names: object, column: str | None = None, own: str | None = None) -> list[Row]:
    return list(RowReader(find_inputs([*map(str, names)], column, own)))


def as_lines_read_them(path: Path) -> tuple[list[tuple[int, str]], list[str]]:
    """Return the texts of a file, and what is said of others, as ``--lines`` has them."""
    errors = io.BytesIO()
    lines = InputLines(Terminal(None, io.BytesIO(), errors, {}), TextOptions(file=str(path)), "x")
    texts = list(lines)
    return texts, errors.getvalue().decode().splitlines()


def line_data(seed: int) -> bytes:
    """Return lines of all kinds, some of them long."""
    draw = random.Random(seed)
    kinds = [
        b"",
        b"word",
        "täxt \u2028 \x0b ".encode(),
        b"\r",
        b"\xff\xfe",
        b"a\rb",
        b"\xef\xbb\xbfmark",
    ]
    data = b"".join(
        draw.choice(kinds) * draw.choice([1, 1, 3]) + draw.choice([b"\n", b"\r\n"])
        for _ in range(draw.randrange(40))
    )
    for length in draw.sample([LONG - 1, LONG, LONG + 1, 3 * LONG, 2**18], draw.randrange(3)):
        place = data.find(b"\n", draw.randrange(len(data) + 1)) + 1
        data = data[:place] + b"x" * length + b"\n" + data[place:]
    return draw.choice([b"", b"\xef\xbb\xbf"]) + data + draw.choice([b"", b"end", b"\r", b"\xff"])


@pytest.mark.parametrize("seed", range(25))
def test_lines_are_those_that_lines_has(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(line_data(seed))
    texts, errors = as_lines_read_them(path)
    found = rows_of(path)
    assert [(row.number, row.text) for row in found if not row.problem] == texts
    problems = [row.problem for row in found if row.problem]
    assert [what for what, _ in problems] == [_sentence(error) for error in errors]


def _sentence(error: str) -> str:
    """Return the first sentence of an error as the command line shows it."""
    return error.removeprefix("Error: ").partition(". ")[0] + "."


def compressed(data: bytes, ending: str) -> bytes:
    import pyarrow

    if ending in (".gz", ".bz2"):
        half = len(data) // 2  # two streams in one file, as compressors in parallel write them
        pack = gzip.compress if ending == ".gz" else bz2.compress
        return pack(data[:half]) + pack(data[half:])
    content = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(content, {".zst": "zstd", ".lz4": "lz4"}[ending]) as stream:
        stream.write(data)
    packed: bytes = content.getvalue().to_pybytes()
    return packed


DATA = "".join(f"line {number} ä\n" for number in range(50_000)).encode()


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".zst", ".lz4"])
def test_compressed_files_have_the_same_rows(ending: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(DATA)
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(compressed(DATA, ending))
    reader = RowReader(find_inputs([str(path)], None, None))
    assert list(reader) == rows_of(tmp_path / "a.txt")
    assert reader.consumed == path.stat().st_size


def test_other_file_systems_have_the_same_rows(s3: ObjectStore, tmp_path: Path) -> None:
    import fsspec

    (tmp_path / "a.txt").write_bytes(DATA)
    here = rows_of(tmp_path / "a.txt")
    assert len(here) == 50_000
    packed = gzip.compress(DATA)
    assert rows_of(s3.put("a.txt", DATA)) == here
    assert rows_of(s3.put("a.txt.gz", packed)) == here
    fsspec.filesystem("memory").pipe("/rows/a.txt.gz", packed)
    assert rows_of("memory://rows/a.txt.gz") == here


def test_numbers_go_on_over_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\n\nthree")  # no line end
    (tmp_path / "b.txt").write_bytes(b"")
    (tmp_path / "c.txt").write_bytes(b"\xef\xbb\xbffour\n\n")
    reader = RowReader(find_inputs([str(tmp_path)], None, None))
    assert [(row.number, row.text) for row in reader] == [(1, "one"), (3, "three"), (4, "four")]
    assert reader.count == 5
    assert reader.consumed == 19


JSON_LINES: Sequence[tuple[str, str | None, Any, str]] = [
    ('{"text": "a", "id": 1, "x": NaN, "y": %s}' % ("9" * 5000), "a", 1, ""),
    ('{"text": "", "id": null}', "", None, ""),
    ('{"text": "\\ud83d\\ude00", "id": "k"}', "\U0001f600", "k", ""),
    ('{"text": "a", "text": "b", "id": 1.5}', "b", 1.5, ""),
    ("not", None, None, "It is not JSON."),
    ("  ", None, None, "It is not JSON."),
    ('"a text"', None, None, "It is not an object of JSON."),
    ("[" * 100_000, None, None, "It is nested too deeply."),
    ('{"id": 1}', None, 1, 'It has no "text".'),
    ('{"text": 7, "id": true}', None, True, 'Its "text" is not a text.'),
    ('{"text": "\\ud83d", "id": 1}', None, 1, "The text has an unpaired surrogate."),
    ('{"text": "a"}', None, None, 'It has no "id".'),
    ('{"text": "a", "id": [1]}', None, None, 'Its "id" is not a text or a number.'),
    ('{"text": "a", "id": %s}' % ("9" * 5000), None, None, 'Its "id" is not a text or a number.'),
    ('{"text": "a", "id": "\\ud83d"}', None, None, 'Its "id" has an unpaired surrogate.'),
]


def test_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(f"{line}\n" for line, *_ in JSON_LINES))  # with an empty line between
    found = rows_of(path, own="id")
    assert [row.number for row in found] == list(range(1, 2 * len(JSON_LINES), 2))
    for row, (_, text, own, problem) in zip(found, JSON_LINES, strict=True):
        assert (row.text, row.identifier) == (text or "", own)
        assert (row.problem or [""])[0] == problem


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'\xef\xbb\xbfid,text\n1,"two\nlines, and ""quotes"""\n\n2\n3,a,b\n'
        b"4,caf\xe9\n\xe9,x\n5,\n6," + b"x" * (LONG + 1) + b"\r\n7," + b"y" * LONG + b"\n8,end"
    )
    (tmp_path / "b.tsv").write_text("text\tid\nlast\t9\n")
    (tmp_path / "c.csv").touch()
    found = rows_of(tmp_path, own="id")
    assert [row.number for row in found] == list(range(1, 11))
    assert found[0] == Row(1, 'two\nlines, and "quotes"', "1")
    assert [row.identifier for row in found] == [
        "1",
        None,
        None,
        "4",
        None,
        "5",
        "6",
        "7",
        "8",
        "9",
    ]
    assert found[5].text == ""
    assert found[7].text == "y" * LONG
    assert [row.text for row in found[8:]] == ["end", "last"]
    problems = [row.problem[0] for row in found if row.problem]
    assert problems == [
        "Row 2 has 1 cells, and the header has 2.",
        "Row 3 has 3 cells, and the header has 2.",
        "The text of row 4 is not UTF-8 text: the byte at offset 3 (0xe9) is not valid.",
        "The identifier of row 5 is not UTF-8 text: the byte at offset 0 (0xe9) is not valid.",
        f"The text of row 7 is longer than {LONG} bytes.",
    ]


def write_parquet(path: Path, **columns: Any) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    return path


def test_types_of_texts_in_parquet(tmp_path: Path) -> None:
    import pyarrow

    values = ["a", None, "", "b" * (LONG + 1), "c"]
    bad = pyarrow.array([b"a", None, b"", b"\xff", b"c"]).view(pyarrow.string())
    kinds = [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()]
    arrays = [pyarrow.array(values, kind) for kind in kinds]
    for array in [*arrays, arrays[0].dictionary_encode(), bad]:
        found = rows_of(write_parquet(tmp_path / "a.parquet", text=array, other=[[1]] * 5))
        assert [(row.number, row.text) for row in found] == [
            (1, "a"),
            (2, ""),
            (3, ""),
            (4, ""),
            (5, "c"),
        ]
        what = "not UTF-8" if array is bad else "longer than"
        assert [what in (row.problem or "")[0] for row in found if row.problem] == [False, True]


def test_types_of_identifiers_in_parquet(tmp_path: Path) -> None:
    import pyarrow

    own = uuid.UUID(int=7)
    time = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    zoned = pyarrow.timestamp("us", "Asia/Tokyo")
    expected: list[tuple[Any, str, Any]] = [
        (pyarrow.array([7], pyarrow.int8()), "int64", 7),
        (pyarrow.array([2**64 - 1], pyarrow.uint64()), "uint64", 2**64 - 1),
        (pyarrow.array([0.5], pyarrow.float16()), "double", 0.5),
        (pyarrow.array([True]), "bool", True),
        (pyarrow.array(["k"]).dictionary_encode(), "string", "k"),
        (pyarrow.array([own.bytes], pyarrow.uuid()), "string", str(own)),
        (pyarrow.array([b"\x00\xff"]), "string", "00ff"),
        (pyarrow.array([decimal.Decimal("1.20")]), "string", "1.20"),
        (pyarrow.array([time], zoned), "string", "2026-01-02 03:04:05.000000Z"),
        (pyarrow.array([time.date()]), "string", "2026-01-02"),
        (pyarrow.array([None], pyarrow.int64()), "int64", None),
    ]
    for array, kind, value in expected:
        path = write_parquet(tmp_path / "a.parquet", text=["x"], key=array)
        inputs = find_inputs([str(path)], None, "key")
        assert inputs.identifier_type == kind
        assert list(RowReader(inputs)) == [Row(1, "x", value)]


def test_parquet_in_s3_is_read_where_it_is(s3: ObjectStore, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", text=list("abc"), key=[1, 2, 3])
    there = s3.put("a.parquet", path.read_bytes())
    rows = [Row(1, "a", 1), Row(2, "b", 2), Row(3, "c", 3)]
    assert rows_of(there, own="key") == rows_of(path, own="key") == rows


def broken_after(reader: RowReader) -> tuple[int, DistilError]:
    """Return the number of the last row before an error, and the error."""
    last = 0
    with pytest.raises(DistilError) as raised:  # noqa: PT012 - the rows before count
        for row in reader:
            last = row.number
    assert reader.count >= last
    return last, raised.value


FAULTS = [
    *product(["txt", "jsonl", "csv", "parquet"], ["lost", "cut off", "longer"]),
    *product(["csv", "parquet"], ["other column"]),
]


@pytest.mark.parametrize(("ending", "fault"), FAULTS)
def test_a_file_that_changed_ends_the_rows_there(ending: str, fault: str, tmp_path: Path) -> None:
    first, second = (tmp_path / f"{name}.{ending}" for name in "ab")
    for path in (first, second):
        if ending == "parquet":
            write_parquet(path, text=["x"] * 10)
        elif ending == "csv":
            path.write_text("text\n" + "x\n" * 10)
        else:
            path.write_text(('{"text": "x"}\n' if ending == "jsonl" else "x\n") * 10)
    inputs = find_inputs([str(tmp_path)], None, None)
    if fault == "lost":
        second.unlink()
    elif fault == "cut off":
        second.write_bytes(second.read_bytes()[:-4])
    elif fault == "longer":
        second.write_bytes(second.read_bytes() + b"more\n")
    else:
        if ending == "parquet":
            write_parquet(second, body=["x"] * 10)
        else:
            second.write_text("body\n" + "x\n" * 10)
        inputs = find_inputs([str(tmp_path)], None, None)
    last, error = broken_after(RowReader(inputs))
    assert last == 10
    assert str(second) in error.what
    assert "after row 10" in error.what


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".zst", ".lz4"])
def test_a_file_that_is_cut_off_within_its_compression(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.txt{ending}"
    noise = random.Random(1).randbytes(2**20).hex().encode()
    path.write_bytes(
        compressed(b"\n".join(noise[i : i + 80] for i in range(0, 2**21, 80)), ending)[:-50]
    )
    last, error = broken_after(RowReader(find_inputs([str(path)], None, None)))
    assert last > 20_000  # all but the last block
    assert f"Can't read {path} after row {last}: " in error.what


def test_a_damaged_page_of_parquet(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet", text=[f"text {number}" * 50 for number in range(100)]
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)
    last, error = broken_after(RowReader(find_inputs([str(path)], None, None)))
    assert last < 100
    assert f"Can't read {path} after row" in error.what


def test_a_table_that_is_not_csv_ends_the_rows_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text\na\n"b"c\nd\n')
    last, error = broken_after(RowReader(find_inputs([str(path)], None, None)))
    assert last == 1
    assert "line 3" in error.what


def test_json_rows_are_those_of_dumps(tmp_path: Path) -> None:
    draw = random.Random(3)
    texts = [
        "".join(chr(draw.choice([10, 34, 92, 0x2028, 0x1F600, 65])) for _ in range(9))
        for _ in range(200)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(json.dumps({"id": i, "text": each}) + "\n" for i, each in enumerate(texts))
    )
    assert rows_of(path, own="id") == [Row(i + 1, each, i) for i, each in enumerate(texts)]
