"""The folder with results: what is written, and what is left when something goes wrong."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.cluster.folder import OutputFolder
from distilgpt2_cli.cluster.parts import Part
from distilgpt2_cli.cluster.rows import Column, Computed, Refused, Row
from distilgpt2_cli.cluster.writing import Layout
from distilgpt2_cli.errors import DistilError, ExitStatus
from tests.support.disks import make_read_only, small_disk
from tests.support.object_store import ObjectStore

COLUMNS = (
    Column("text", "text", ("text",)),
    Column("count", "integer", ("tokens", "text")),
    Column("score", "number", ("score",)),
    Column("states", "numbers", ("states",)),
    Column("layers", "lists of numbers", ("layers",)),
)
TEXT = Layout("text", "line", None, "string", COLUMNS)
PART = Part(
    0,
    0,
    [Row(1, "a", "k"), Row(2, "", None, ("It is bad.", "Mend it.")), Row(4, "b", 7), Row(5, "c")],
    empty=1,
)
RESULTS: list[Computed | Refused] = [
    Computed(1, ("ä", 1, float("nan"), [1.5, 2.0], [[1.0], [0.25, 3.0]]), "first\n", 3),
    Computed(1, ('"', None, 0.1, [], []), "second\n", 2, cut=True),
    Refused(4, ("It is too long.", "Shorten it.")),
    Computed(5, ("", 2, float("inf"), None, None), "third\n", 1),
]


def begun(folder: Path | str) -> OutputFolder:
    output = OutputFolder(str(folder))
    output.begin({"seed": 1}, resume=False)
    return output


def layout(form: Any, own: str | None = "id", kind: str = "string") -> Layout:
    return Layout(form, "line", own, kind, COLUMNS)


def names(folder: Path) -> list[str]:
    """Return the names of all files, those that are hidden and temporary among them."""
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


EXPECTED = {
    "text": "first\nsecond\nthird\n",
    "jsonl": (
        '{"line": 1, "id": "k", "text": "\\u00e4", "tokens": {"text": 1}, "score": null,'
        ' "states": [1.5, 2.0], "layers": [[1.0], [0.25, 3.0]]}\n'
        '{"line": 1, "id": "k", "text": "\\"", "tokens": {"text": null}, "score": 0.1,'
        ' "states": [], "layers": []}\n'
        '{"line": 5, "id": null, "text": "", "tokens": {"text": 2}, "score": null,'
        ' "states": null, "layers": null}\n'
    ),
    "csv": """\
line,id,text,count,score,states,layers
1,"k","ä",1,,"1.5 2.0","1.0;0.25 3.0"
1,"k","\""",,0.1,"",""
5,,"",2,,,
""",
}
ERRORS = (
    '{"line": 2, "id": null, "error": "It is bad.", "remedy": "Mend it."}\n'
    '{"line": 4, "id": 7, "error": "It is too long.", "remedy": "Shorten it.", "text": "b"}\n'
)


@pytest.mark.parametrize("form", EXPECTED)
def test_what_is_written(form: str, tmp_path: Path) -> None:
    output = begun(tmp_path / "out")
    receipt = output.commit(PART, layout(form), iter(RESULTS))
    (result,) = (tmp_path / "out").glob("part-000000.*")
    assert result.read_bytes().decode() == EXPECTED[form]
    assert (tmp_path / "out/_errors/part-000000.jsonl").read_text() == ERRORS
    assert receipt.sha256 == hashlib.sha256(result.read_bytes()).hexdigest()
    assert (receipt.size, receipt.digest) == (result.stat().st_size, PART.digest)
    assert (receipt.rows, receipt.results, receipt.failures, receipt.tokens) == (4, 3, 2, 6)
    assert (receipt.empty, receipt.cut, receipt.first, receipt.last) == (1, 1, 1, 5)
    output.finish(1, {"parts": 1})
    assert json.loads((tmp_path / "out/_SUCCESS").read_text()) == {"parts": 1}
    assert names(tmp_path / "out") == sorted(
        [
            "_SUCCESS",
            "_distil.json",
            "_errors/part-000000.jsonl",
            "_parts/part-000000.json",
            result.name,
        ]
    )


def test_a_table_in_parquet(tmp_path: Path) -> None:
    from pyarrow import parquet

    first, second = begun(tmp_path / "a"), begun(tmp_path / "b")
    for output in (first, second):
        output.commit(PART, layout("parquet"), iter(RESULTS))
        output.commit(Part(1, 2, []), layout("parquet"), [])
    found = [parquet.read_table(tmp_path / f"a/part-00000{number}.parquet") for number in range(2)]
    assert found[0].schema == found[1].schema
    assert [str(field.type) for field in found[0].schema] == [
        "int64", "string", "string", "int64", "double", "list<element: float>",
        "list<element: list<element: float>>",
    ]  # fmt: skip
    rows = found[0].to_pylist()
    assert [row["line"] for row in rows] == [1, 1, 5]
    assert rows[0]["layers"] == [[1.0], [0.25, 3.0]]
    assert (rows[1]["states"], rows[2]["states"]) == ([], None)
    assert (rows[1]["score"], rows[2]["score"]) == (0.1, float("inf"))
    for name in ("part-000000.parquet", "part-000001.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_identifiers_in_parquet_have_one_type_in_all_parts(tmp_path: Path) -> None:
    from pyarrow import parquet

    rows = [Row(number + 1, "x", own) for number, own in enumerate([7, "k", True, 0.5, None])]
    values: list[Any] = ["", 1, 0.5, [], []]
    output = begun(tmp_path / "out")
    for kind, number, part in [
        ("string", 0, Part(0, 0, rows)),
        ("uint64", 1, Part(1, 5, [Row(6, "x", 2**64 - 1)])),
    ]:
        computed = [Computed(row.number, values, "", 1) for row in part.rows]
        output.commit(part, layout("parquet", kind=kind), computed)
        table = parquet.read_table(tmp_path / f"out/part-00000{number}.parquet")
        assert str(table.schema.field("id").type) == kind
        own = table.column("id").to_pylist()
        assert own == (["7", "k", "true", "0.5", None] if number == 0 else [2**64 - 1])


@pytest.mark.parametrize("form", ["text", "jsonl", "csv", "parquet"])
def test_other_file_systems_have_the_same_files(form: str, tmp_path: Path, s3: ObjectStore) -> None:
    from pyarrow import fs

    for number, address in enumerate([s3.address(f"out/{form}"), f"memory://out/{form}"]):
        here, there = begun(tmp_path / str(number)), begun(address)
        for output in (here, there):
            output.commit(PART, layout(form), iter(RESULTS))
            output.finish(1, {"parts": 1})
        again = pickle.loads(pickle.dumps(there))
        again.check(there.token)
        assert again.commit(PART, layout(form), _never()) == here.receipt(0) == there.receipt(0)
        for name in names(tmp_path / str(number)):
            if name != "_distil.json":
                written = there._storage.read(name)
                assert written == (tmp_path / str(number) / name).read_bytes()
    files, path = fs.FileSystem.from_uri(s3.address(f"out/{form}"))
    found = files.get_file_info(fs.FileSelector(path, recursive=True))
    assert sum(each.is_file for each in found) == 5


def _never() -> Iterator[Computed]:
    raise AssertionError("nothing is to be computed")
    yield


def test_nothing_of_a_part_is_there_if_its_results_fail(tmp_path: Path, s3: ObjectStore) -> None:
    def failing() -> Iterator[Computed | Refused]:
        yield from RESULTS[:2]
        raise DistilError("The model is gone.", "Look for it.")

    for address in (str(tmp_path / "out"), s3.address("failing"), "memory://failing"):
        output = begun(address)
        with pytest.raises(DistilError, match="model is gone"):
            output.commit(PART, TEXT, failing())
        with pytest.raises(RuntimeError, match="row 5 has no result"):
            output.commit(PART, TEXT, iter(RESULTS[:3]))
        assert not [name for name in output._storage.names() if name.startswith("part")]
        assert output.receipt(0) is None
        output.commit(PART, TEXT, iter(RESULTS))
        assert output._storage.read("part-000000.txt") == EXPECTED["text"].encode()
    assert not [name for name in names(tmp_path / "out") if name.startswith("_tmp")]


def test_a_run_goes_on_with_its_record_only(tmp_path: Path) -> None:
    record: dict[str, Any] = {
        "seed": 1,
        "options": {"top_k": 5, "stop": ["a", "b"]},
        "inputs": ("x", "y"),
    }
    output = OutputFolder(str(tmp_path / "out"))
    assert output.begin(record, resume=True) == json.loads(json.dumps(record))  # nothing is there
    with pytest.raises(DistilError, match=r"is not empty\. Use another folder, or go on with"):
        OutputFolder(str(tmp_path / "out")).begin(record, resume=False)
    again = OutputFolder(str(tmp_path / "out"))
    found = again.begin({**record, "seed": 2}, resume=True, free=["seed"])
    assert found == json.loads(json.dumps(record))
    assert again.token == output.token
    changes: list[tuple[dict[str, Any], str]] = [
        ({"seed": 2}, "another seed: 1, not 2"),
        ({"options": {"top_k": 5, "stop": ["a", "c"]}}, 'another options.stop[1]: "b", not "c"'),
        ({"inputs": ["x"]}, 'another inputs: ["x", "y"], not ["x"]'),
        ({"more": "m" * 99}, f'another more: null, not "{"m" * 59}…'),
    ]
    for change, place in changes:
        with pytest.raises(DistilError) as raised:
            again.begin({**record, **change}, resume=True)
        assert place in raised.value.what
        assert raised.value.status == ExitStatus.USAGE


def test_a_run_that_goes_on_is_not_complete_until_it_is_again(tmp_path: Path) -> None:
    output = begun(tmp_path / "out")
    output.finish(0, {"parts": 0})
    output.begin({"seed": 1}, resume=True)
    assert names(tmp_path / "out") == ["_distil.json"]


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / ".hidden").touch()
    begun(tmp_path / "used")  # is empty to its user
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "_distil.json").write_text("{")
    for name, what in [
        ("other", "is not empty. Use another folder: it has no run"),
        ("file", "is a file"),
        ("damaged", "_distil.json in"),
    ]:
        with pytest.raises(DistilError) as raised:
            OutputFolder(str(tmp_path / name)).begin({}, resume=True)
        assert what in str(raised.value)


def test_a_machine_must_see_the_same_folder(tmp_path: Path) -> None:
    output, other = begun(tmp_path / "a"), begun(tmp_path / "b")
    output.check(output.token)
    for folder in (other, OutputFolder(str(tmp_path / "missing"))):
        with pytest.raises(DistilError, match="does not see the folder"):
            folder.check(output.token)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"number": 0}'])
def test_a_damaged_receipt_is_none(damage: bytes, tmp_path: Path) -> None:
    output = begun(tmp_path / "out")
    receipt = output.commit(PART, TEXT, iter(RESULTS))
    before = (tmp_path / "out/_parts/part-000000.json").read_bytes()
    (tmp_path / "out/_parts/part-000000.json").write_bytes(damage)
    assert output.finished(PART, TEXT) is None
    assert output.commit(PART, TEXT, iter(RESULTS)) == receipt
    assert (tmp_path / "out/_parts/part-000000.json").read_bytes() == before


@pytest.mark.parametrize("name", ["part-000000.txt", "_errors/part-000000.jsonl"])
def test_a_part_without_its_files_is_computed_again(name: str, tmp_path: Path) -> None:
    output = begun(tmp_path / "out")
    output.commit(PART, TEXT, iter(RESULTS))
    before = (tmp_path / "out" / name).read_bytes()
    (tmp_path / "out" / name).unlink()
    output.commit(PART, TEXT, iter(RESULTS))
    assert (tmp_path / "out" / name).read_bytes() == before


def test_other_rows_are_another_part(tmp_path: Path) -> None:
    output = begun(tmp_path / "out")
    output.commit(PART, TEXT, iter(RESULTS))
    changed = Part(0, 0, [*PART.rows[:3], Row(5, "changed")], 1)
    with pytest.raises(DistilError, match="the input has changed since"):
        output.commit(changed, TEXT, _never())


def test_it_is_complete_whenever_the_process_is_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_commits", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 40  # moments


def test_a_receipt_is_on_the_disk_after_what_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, seen = begun(tmp_path / "out"), []
    sync, replace = os.fsync, Path.replace

    def noting_sync(descriptor: int) -> None:
        seen.append(("sync", os.fstat(descriptor).st_ino))
        sync(descriptor)

    def noting_replace(path: Path, target: Path) -> Path:
        seen.append(("named", path.stat().st_ino))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noting_sync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    output.commit(PART, TEXT, iter(RESULTS))
    expected = []
    for name in ("part-000000.txt", "_errors/part-000000.jsonl", "_parts/part-000000.json"):
        file = (tmp_path / "out" / name).stat().st_ino
        folder = (tmp_path / "out" / name).parent.stat().st_ino
        expected += [("sync", file), ("named", file), ("sync", folder)]
    assert seen == expected


def test_several_writers_of_a_part_write_the_same(tmp_path: Path) -> None:
    begun(tmp_path / "out")
    together = threading.Barrier(6)

    def write() -> Any:
        def computed() -> Iterator[Computed | Refused]:
            together.wait()
            yield from RESULTS
            together.wait()

        return OutputFolder(str(tmp_path / "out")).commit(PART, TEXT, computed())

    with ThreadPoolExecutor(6) as pool:
        receipts = [each.result() for each in [pool.submit(write) for _ in range(6)]]
    assert len(set(receipts)) == 1
    assert (tmp_path / "out/part-000000.txt").read_text() == EXPECTED["text"]
    assert not [name for name in names(tmp_path / "out") if name.startswith("_tmp")]


def test_a_writer_who_comes_late_finds_the_part(tmp_path: Path) -> None:
    output = begun(tmp_path / "out")

    def slow() -> Iterator[Computed | Refused]:
        other = OutputFolder(str(tmp_path / "out"))
        other.commit(PART, TEXT, iter(RESULTS))
        other.finish(1, {"parts": 1})  # which removes what is not complete
        yield from RESULTS

    assert output.commit(PART, TEXT, slow()) == output.receipt(0)


def noise() -> Iterator[Computed | Refused]:
    """Yield more than a small disk holds, also when it is compressed."""
    values = [float.fromhex(f"0x1.{os.urandom(5).hex()}p0") for _ in range(60_000)]
    texts = os.urandom(60_000).hex()
    for row in PART.rows:
        if not row.problem:
            yield Computed(row.number, (texts, 1, 0.5, values, None), texts, 1)


@pytest.mark.parametrize("form", ["text", "jsonl", "csv", "parquet"])
def test_a_full_disk(form: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "200k") as disk:
        output = begun(disk / "out")
        with pytest.raises(DistilError) as raised:
            output.commit(PART, layout(form), noise())
        assert "can't be written: No space left on device. Free some space" in str(raised.value)
        assert names(disk / "out") == ["_distil.json"]
        output.commit(PART, layout(form), iter(RESULTS))
        make_read_only(disk)
        with pytest.raises(DistilError, match="Read-only file system"):
            output.commit(Part(1, 3, PART.rows), layout(form), iter(RESULTS))
        with pytest.raises(DistilError, match="Read-only file system"):
            begun(disk / "another")


def test_a_folder_that_has_gone_is_not_made_anew(tmp_path: Path) -> None:
    output = begun(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "moved")
    with pytest.raises(DistilError, match="No such file or directory"):
        output.commit(PART, TEXT, iter(RESULTS))
    assert not (tmp_path / "out").exists()
