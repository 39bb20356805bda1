"""Rows in parts, each of which is computed, written and repeated as one."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

from ..workers.chunks import Cutter
from .rows import Row

MOST_CHARACTERS = 2**24
"""How much text a part has, with its identifiers, before it ends although it has few rows."""


class Rows(Protocol):
    """Rows as `RowReader` reads them."""

    count: int

    @property
    def consumed(self) -> int:
        """The bytes of input that were read so far."""

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""


@dataclass(frozen=True)
class Part:
    """Rows that follow each other: a whole number of chunks.

    Attributes:
        number: of the part, from 0.
        place: how many texts all parts before it have.
        rows: of it.
        empty: how many empty lines are before and between them, since the part before.
        size: the bytes of input that were read for it, as far as one can say; they are not a part
            of what it is.
    """

    number: int
    place: int
    rows: Sequence[Row]
    empty: int = 0
    size: int = 0

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all that it is, in hexadecimal digits."""
        return sha256(self._content).hexdigest()

    @cached_property
    def _content(self) -> bytes:
        rows = self.rows
        numbers: int | list[int] = [row.number for row in rows]
        if rows and rows[-1].number - rows[0].number == len(rows) - 1:
            numbers = rows[0].number
        content: dict[str, Any] = {
            "number": self.number,
            "place": self.place,
            "empty": self.empty,
            "numbers": numbers,
            "texts": [row.text for row in rows],
        }
        identifiers = [row.identifier for row in rows]
        if identifiers.count(None) < len(rows):
            content["identifiers"] = identifiers
        problems = {str(index): row.problem for index, row in enumerate(rows) if row.problem}
        if problems:
            content["problems"] = problems
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def encode(part: Part) -> bytes:
    """Return a part as bytes: its size, and JSON, of which `Part.digest` is the hash."""
    return b"%d\n%b" % (part.size, part._content)


def decode(data: bytes) -> Part:
    """Return the part of which `encode` has made these bytes."""
    size, _, content = data.partition(b"\n")
    found = json.loads(content)
    texts: list[str] = found["texts"]
    numbers = found["numbers"]
    if isinstance(numbers, int):
        numbers = range(numbers, numbers + len(texts))
    identifiers = found.get("identifiers") or [None] * len(texts)
    rows = list(map(Row, numbers, texts, identifiers))
    for index, (what, remedy) in found.get("problems", {}).items():
        rows[int(index)] = rows[int(index)]._replace(problem=(what, remedy))
    part = Part(found["number"], found["place"], rows, found["empty"], int(size))
    vars(part)["_content"] = content  # as `cached_property` keeps it
    return part


def cut(rows: Rows, chunk_texts: int, part_rows: int) -> Iterator[Part]:
    """Yield the parts of rows.

    There is at least one; one without rows is the only one, or has the empty lines at the end.
    After an error of the rows, those of the part that was begun are in no part.

    Args:
        rows: all of them.
        chunk_texts: how many texts a chunk has at most; see `workers.chunks`.
        part_rows: a part ends with the first chunk that ends with, or after, so many rows.
    """
    cutter = Cutter(chunk_texts)
    ends_after, ends_after_failure = cutter.ends_after, cutter.ends_after_failure
    number = place = texts = size = last = consumed = 0
    collected: list[Row] = []
    for row in rows:
        collected.append(row)
        _, text, identifier, problem = row
        if problem is None:
            texts += 1
            size += len(text)
            ends = ends_after(text)
        else:
            ends = ends_after_failure()
        if isinstance(identifier, str):
            size += len(identifier)
        if ends and (len(collected) >= part_rows or size >= MOST_CHARACTERS):
            empty = row.number - last - len(collected)
            last, before, consumed = row.number, consumed, rows.consumed
            yield Part(number, place, collected, empty, consumed - before)
            number, place, texts, size, collected = number + 1, place + texts, 0, 0, []
    if collected or rows.count > last or number == 0:
        empty = rows.count - last - len(collected)
        yield Part(number, place, collected, empty, rows.consumed - consumed)


def chunks(part: Part, chunk_texts: int) -> Iterator[list[tuple[Row, int]]]:
    """Yield the chunks of a part: rows that have a text, each with its number among all texts."""
    cutter = Cutter(chunk_texts)
    chunk: list[tuple[Row, int]] = []
    place = part.place
    for row in part.rows:
        if row.problem is None:
            chunk.append((row, place))
            place += 1
            ends = cutter.ends_after(row.text)
        else:
            ends = cutter.ends_after_failure()
        if ends and chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
