"""An S3 server that refuses, or is too busy for, what it is asked."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest

from distilgpt2_cli.cluster.addresses import find_inputs
from distilgpt2_cli.cluster.folder import OutputFolder
from distilgpt2_cli.cluster.parts import Part
from distilgpt2_cli.cluster.reading import RowReader
from distilgpt2_cli.cluster.rows import Column, Computed, Row
from distilgpt2_cli.cluster.writing import Layout
from distilgpt2_cli.errors import DistilError
from tests.support.extent import cases
from tests.support.object_store import ObjectStore, Refusal
from tests.support.run import run

READ, LIST, WRITE = ("GET",), ("GET", "HEAD"), ("PUT", "POST")
DENIED = (HTTPStatus.FORBIDDEN, "AccessDenied")
BUSY = cases(
    [(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown", "SLOW_DOWN")],
    [(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "INTERNAL_FAILURE")],
)
LAYOUT = Layout("text", "line", None, "string", (Column("text", "text", ("text",)),))
PART = Part(0, 0, [Row(1, "a")])
LINES = "Once upon a time\n" * 100
RESULTS = [Computed(1, ("b",), "b\n", 1)]


@pytest.fixture
def store(s3: ObjectStore) -> Iterator[ObjectStore]:
    """A server that refuses nothing yet, with an input that is longer than an error of it."""
    s3.put("read/in.txt", LINES.encode())
    yield s3
    s3.refusals.clear()


def written(store: ObjectStore, name: str) -> None:
    """Write a part in a folder, and its end."""
    folder = OutputFolder(store.address(name))
    folder.begin({}, resume=True)
    folder.commit(PART, LAYOUT, iter(RESULTS))
    folder.finish(1, {})


def read(store: ObjectStore) -> list[str]:
    inputs = find_inputs([store.address("read/in.txt")], None, None)
    return [row.text for row in RowReader(inputs)]


def test_a_bucket_that_does_not_exist(store: ObjectStore) -> None:
    folder = OutputFolder(store.address("out").replace("//bucket/", "//missing/"))
    with pytest.raises(DistilError) as raised:
        folder.begin({}, resume=False)
    assert "_distil.json in s3://missing/out" in raised.value.what
    assert "can't be written: " in raised.value.what
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("methods", [READ, ("HEAD",)])
def test_an_input_that_must_not_be_read(store: ObjectStore, methods: tuple[str, ...]) -> None:
    store.refusals.append(Refusal(methods, "in.txt", *DENIED))
    with pytest.raises(DistilError) as raised:
        read(store)
    assert "ACCESS_DENIED" in raised.value.what
    assert store.address("read/in.txt") in raised.value.what


@pytest.mark.parametrize("name", ["_distil.json", "part-000000.txt", "_parts/", "_SUCCESS"])
def test_results_that_must_not_be_written(store: ObjectStore, name: str) -> None:
    """The error names the file, and with the right a later run goes on where that one ended."""
    folder = f"denied/{len(name)}"
    store.refusals.append(Refusal(WRITE, name, *DENIED))
    with pytest.raises(DistilError) as raised:
        written(store, folder)
    assert raised.value.what.startswith(name)
    assert "ACCESS_DENIED" in raised.value.what
    assert raised.value.remedy == "Make sure that it can be written, then go on with --resume."
    store.refusals.clear()
    written(store, folder)


@pytest.mark.parametrize(("status", "code", "shown"), BUSY)
def test_a_server_that_is_busy(
    store: ObjectStore, status: HTTPStatus, code: str, shown: str
) -> None:
    """It is asked again, but not for ever."""
    for methods, name in ((READ, "in.txt"), (WRITE, "part-"), (WRITE, "_SUCCESS")):
        store.refusals.append(Refusal(methods, name, status, code, times=2))
    assert read(store) == LINES.splitlines()
    written(store, f"busy-{code}")
    assert [each.times for each in store.refusals] == [0, 0, 0]
    store.refusals.append(Refusal(WRITE, "part-", status, code))
    with pytest.raises(DistilError, match=rf"can't be written: .*{shown}.*[^:]\. Make sure"):
        written(store, f"busier-{code}")


def test_a_run_that_must_not_write_its_end(store: ObjectStore, env: dict[str, str]) -> None:
    """It is a failure, though all results are there."""
    store.refusals.append(Refusal(WRITE, "_SUCCESS", *DENIED))
    places = (store.address("read/in.txt"), "-o", store.address("unended"))
    command = ("map", "score", "-m", "demo", *places, "--workers", "1")
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    failed = run(*command, env={**env, **keys})
    assert (failed.returncode, failed.stdout) == (1, b"")
    assert failed.stderr.startswith(b"Error: _SUCCESS in s3://bucket/unended")
    store.refusals.clear()
    done = run(*command, "--resume", env={**env, **keys})
    assert done.returncode == 0
    assert b"100 rows (100 by an earlier run)" in done.stderr
