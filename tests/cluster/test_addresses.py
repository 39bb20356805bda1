"""Inputs as users name them."""

import json
import os
from pathlib import Path

import pytest

from distilgpt2_cli.cluster.addresses import find_inputs
from distilgpt2_cli.cluster.filesystems import full_address, settings_for
from distilgpt2_cli.errors import DistilError, ExitStatus
from tests.support.object_store import ObjectStore

FILES = ["b.txt", "a/2.txt", "a/10 %41#?.txt", "a-b.txt", "_parts/x.txt", "a/.hidden", "_SUCCESS"]
VISIBLE = ["a-b.txt", "a/10 %41#?.txt", "a/2.txt", "b.txt"]


def parquet(path: Path) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"body": ["x"], "n": [1], "list": [[1]]}), path)
    return path


def test_a_folder_here_has_the_files_below_it_in_order(tmp_path: Path) -> None:
    for name in FILES:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = find_inputs([str(tmp_path / "in")], None, None)
    assert found.addresses == tuple(str(tmp_path / "in" / name) for name in VISIBLE)
    assert found.sizes == tuple(map(len, VISIBLE))
    assert (found.format, found.column) == ("text", None)
    again = find_inputs(list(found.addresses), None, None)
    assert again == found


def test_a_folder_in_s3_is_the_same(s3: ObjectStore) -> None:
    from urllib.parse import quote

    for name in FILES:
        s3.put(f"listed/{quote(name)}", name.encode())
    found = find_inputs([s3.address("listed")], None, None)
    assert found.addresses == tuple(s3.address(f"listed/{quote(name)}") for name in VISIBLE)
    assert found.sizes == tuple(map(len, VISIBLE))
    assert find_inputs(list(found.addresses), None, None) == found


def test_a_folder_of_fsspec_is_the_same() -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    for name in FILES:
        files.pipe(f"/listed/{name}", name.encode())
    found = find_inputs(["memory://listed"], None, None)
    assert found.addresses == tuple(f"memory://listed/{name}" for name in VISIBLE)
    assert find_inputs(list(found.addresses), None, None) == found


@pytest.mark.parametrize("name", ["a:b.txt", "100%41.txt", "a#b?c=d.txt", "two words", "s3:x"])
def test_a_name_without_slashes_after_a_colon_is_a_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    assert find_inputs([name], None, None).addresses == (str(tmp_path / name),)


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert full_address("a/../b.txt") == str(tmp_path / "b.txt")
    assert full_address("~/b.txt") == str(tmp_path / "home/b.txt")
    assert full_address("file:///srv/a%20b.txt") == "/srv/a b.txt"
    assert full_address("s3://bucket/a") == "s3://bucket/a"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a", "text"),
        ("a.txt.gz", "text"),
        ("a.md", "text"),
        ("a.jsonl", "jsonl"),
        ("A.NDJSON.ZST", "jsonl"),
        ("a.csv.bz2", "csv"),
        ("a.tsv.lz4", "csv"),
    ],
)
def test_formats_follow_from_names(name: str, form: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert find_inputs([str(tmp_path / name)], None, None).format == form


USAGE, FAILED = ExitStatus.USAGE, ExitStatus.FAILED


def refused(
    name: str, what: str, status: ExitStatus, column: str | None = None, own: str | None = None
) -> None:
    names = name.split("|")
    with pytest.raises(DistilError) as raised:
        find_inputs(names, column, own)
    assert what in str(raised.value)
    assert raised.value.status == status
    assert raised.value.remedy.endswith(".")


@pytest.mark.parametrize(
    ("name", "what", "status"),
    [
        ("-", "Standard input is not a file", USAGE),
        ("/dev/null", "it is a pipe or a device", FAILED),
        ("missing.txt", "there is no such file", FAILED),
        ("empty", "There are no files in", FAILED),
        ("a.txt|a.csv", "a.csv are files of different formats", USAGE),
        ("b.parquet.gz", "compressed as one", USAGE),
        ("s3://key:secret@bucket/a", "can't have a password", USAGE),
        ("nothing://a/b", "there is no file system named nothing", USAGE),
        ("s3://bucket/a?what=1", "is not a valid address", USAGE),
        ("gopher://[a/b", "is not a valid address", USAGE),
        ("\udc80.txt", "is not UTF-8", USAGE),
    ],
)
def test_refusals(
    name: str,
    what: str,
    status: ExitStatus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "_SUCCESS").touch()
    for each in ("a.txt", "a.csv", "b.parquet.gz"):
        (tmp_path / each).touch()
    refused(name, what, status)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(DistilError) as raised:
        find_inputs(["s3://key:secret@bucket/a"], None, None)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_columns_must_be_in_the_first_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "a.jsonl":
        path.write_text("\n" + json.dumps({"body": "x", "n": 1, "list": [1]}) + "\n")
    elif name == "a.csv":
        path.write_text("body,n,list\n")
    else:
        parquet(path)
    refused(str(path), "has no column text. Use one of these: body, n,", USAGE)
    refused(str(path), "has no column id. Use one", USAGE, "body", "id")
    found = find_inputs([str(path)], "body", "n")
    assert (found.column, found.identifier) == ("body", "n")
    assert found.identifier_type == ("int64" if name == "a.parquet" else "string")


def test_columns_of_parquet_have_types(tmp_path: Path) -> None:
    path = str(parquet(tmp_path / "a.parquet"))
    refused(path, "is of the type int64. Use one of these: body.", USAGE, "n")
    refused(path, "does not identify rows", USAGE, "body", "list")


def test_lines_of_text_have_no_columns(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    for column, own in [("text", None), (None, "id")]:
        refused(str(tmp_path / "a.txt"), "which have no column", USAGE, column, own)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.csv.gz"):
        (tmp_path / name).write_bytes(b"no such format")
        refused(str(tmp_path / name), f"Can't read {tmp_path / name}: ", FAILED)


def test_a_pipe_is_not_an_input(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(str(tmp_path / "pipe"), "it is a pipe or a device", FAILED)


def test_the_settings_of_a_file_system_are_those_of_its_name() -> None:
    mine = {"AWS_REGION": "a", "AWS_ENDPOINT_URL": "b", "AZURE_X": "c", "HOME": "d", "XAWS_": "e"}
    of_s3 = {"AWS_REGION": "a", "AWS_ENDPOINT_URL": "b"}
    assert settings_for(["s3://bucket/a", "/a/s3://b"], mine) == of_s3
    assert settings_for(["/a", "memory://a"], mine) == {}
