"""A task of `distil map` that computes nothing: each row is its own result."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from distilgpt2_cli.cluster.rows import Column, Computed, Refused, Row
from distilgpt2_cli.engine.llama.placement import Placement


@dataclass(frozen=True)
class CopiedRows:
    """What is left of a run without a model; see `RowTask`."""

    chunk_texts: int = 256
    threads: int = 1
    memory: int = 0

    @property
    def columns(self) -> Sequence[Column]:
        return (Column("text", "text", ("text",)),)

    @property
    def files(self) -> Mapping[Path, str | None]:
        return {}

    def moved(self, places: Mapping[Path, Path]) -> "CopiedRows":
        assert not places
        return self

    def item(self, row: Row, place: int) -> Row:  # noqa: ARG002
        return row

    def open(self) -> AbstractContextManager["_Copying"]:
        return nullcontext(_Copying())


class _Copying:
    placement = Placement()

    def results(self, items: Iterable[Row]) -> Iterator[Computed | Refused]:
        for number, text, *_ in items:
            yield Computed(number, (text,), f"{text}\n", 0)

    def interrupted(self) -> Iterator[Computed | Refused]:
        return iter(())
