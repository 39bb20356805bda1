"""What the columns of results are called."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from distilgpt2_cli.cluster.job import Format, Inputs, Job
from distilgpt2_cli.cluster.rows import Column, Computed, Refused, Row
from distilgpt2_cli.cluster.writing import layout_of
from distilgpt2_cli.errors import UsageError
from distilgpt2_cli.workers.tasks import Work


class Counting:
    """Counts the characters of texts."""

    columns: Sequence[Column] = (Column("text_tokens", "integer", ("tokens", "text")),)
    chunk_texts = 10
    files: Mapping[Path, str | None] = {}
    threads = 1
    memory = 0

    def moved(self, places: Mapping[Path, Path]) -> "Counting":  # noqa: ARG002
        return self

    def item(self, row: Row, place: int) -> Any:
        return row, place

    @contextmanager
    def open(self) -> Iterator[Work[Any, Computed | Refused]]:
        raise AssertionError
        yield


def job(form: Format, identifier: str | None) -> Job:
    inputs = Inputs(("a.parquet",), (1,), "parquet", "text", identifier, "uint64")
    return Job(Counting(), inputs, "out", form, 1024, "row")


def test_a_layout_has_what_a_job_says() -> None:
    layout = layout_of(job("csv", "id"))
    assert (layout.format, layout.number, layout.columns) == ("csv", "row", Counting.columns)
    assert (layout.identifier, layout.identifier_type) == ("id", "uint64")


@pytest.mark.parametrize(
    ("form", "name", "allowed"),
    [
        ("csv", "text_tokens", False),
        ("jsonl", "text_tokens", True),
        ("csv", "tokens", True),
        ("jsonl", "tokens", False),
        ("parquet", "row", False),
        ("text", "error", False),
        ("csv", "line", True),
    ],
)
def test_identifiers_have_a_name_of_their_own(form: Format, name: str, allowed: bool) -> None:
    if allowed:
        assert layout_of(job(form, name)).identifier == name
    else:
        with pytest.raises(UsageError, match=f"can't be named {name}"):
            layout_of(job(form, name))
