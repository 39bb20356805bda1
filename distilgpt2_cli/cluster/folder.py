"""The folder with the results of a run.

In it are ``_distil.json``, which says what the results are; ``part-000000`` and so on with the
results, ``_errors`` with the rows that have none, and ``_parts`` with a receipt for each part,
which is written when its other files are complete; at the end ``_SUCCESS``. Whoever computes a part
again writes the same bytes. So a run can end at any moment, and another one go on.
"""

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import DistilError, UsageError
from .filesystems import full_address
from .job import Counts
from .parts import Part
from .rows import Computed, Refused
from .storage import TEMPORARY, storage
from .writing import ENDINGS, ERROR, REMEDY, TEXT, Layout, json_line, results

RECORD, SUCCESS = "_distil.json", "_SUCCESS"

_TOKEN = "token"
_ANOTHER = "Use another folder, or go on with --resume."
_LONGEST_VALUE = 60  # characters, in an error


@dataclass(frozen=True, kw_only=True)
class Receipt(Counts):
    """What a part has become, with the files that it is in.

    Attributes:
        number: of the part.
        first: the number of its first row; None without rows.
        last: the number of its last row; None without rows.
        digest: `Part.digest`.
        sha256: of the file with the results.
        size: of that file, in bytes.
    """

    number: int
    first: int | None
    last: int | None
    digest: str
    sha256: str
    size: int


class OutputFolder:
    """A folder with results, at a path or a URL; it can be pickled.

    Attributes:
        address: of it.
        token: what `begin` has written, or found, in it; see `check`.
    """

    def __init__(self, address: str) -> None:
        """Read and write nothing yet.

        Raises:
            UsageError: there is no file system for the address.
            DistilError: the file system can't be used.
        """
        self.address = full_address(address)
        self.token = ""
        self._storage = storage(self.address)

    def __reduce__(self) -> tuple[Callable[[str, str], "OutputFolder"], tuple[str, str]]:
        """Return what makes the same: file systems are opened where they are used."""
        return _opened, (self.address, self.token)

    def begin(
        self, record: Mapping[str, Any], *, resume: bool, free: Collection[str] = ()
    ) -> dict[str, Any]:
        """Begin a run, or go on with one.

        Args:
            record: all that the results depend on, as JSON.
            resume: go on, if there is a run.
            free: keys of the record that may have another value in the earlier run, which counts.

        Returns:
            The record that counts: that of the earlier run, if there is one.

        Raises:
            DistilError: the folder is in use, has a run with another record, or can't be written.
        """
        self._storage.begin()
        known = self._known(resume)
        wanted: dict[str, Any] = json.loads(json.dumps(record))
        if known is None:
            self.token = uuid.uuid4().hex
            content = json.dumps({**wanted, _TOKEN: self.token}, indent=2).encode() + b"\n"
            with self._storage.new(RECORD) as file:
                file.write(content)
            return wanted
        self.token = str(known.pop(_TOKEN))
        wanted.update((key, known[key]) for key in free if key in known)
        difference = _difference(known, wanted)
        if difference:
            place, before, now = difference
            raise UsageError(
                f"The run in {self.address} has another {place}: {before}, not {now}.",
                "Go on with what it was begun with, or use another folder.",
            )
        self._storage.sweep()
        self._storage.remove(SUCCESS)  # until it is true again
        return known

    def _known(self, resume: bool) -> dict[str, Any] | None:
        content = self._storage.read(RECORD)
        if content is None:
            names = self._storage.names()
            if any(not name.startswith(".") and name != TEMPORARY for name in names):
                raise DistilError(
                    f"{self.address} is not empty.",
                    "Use another folder: it has no run to go on with." if resume else _ANOTHER,
                )
            return None
        if not resume:
            raise DistilError(f"{self.address} is not empty.", _ANOTHER)
        found = _object(content)
        if _TOKEN not in found:
            raise DistilError(
                f"{RECORD} in {self.address} is damaged.", "Begin again in another folder."
            )
        return found

    def check(self, token: str) -> None:
        """Make sure that this machine sees the folder that another one has begun.

        Raises:
            DistilError: it does not.
        """
        if _object(self._storage.read(RECORD) or b"").get(_TOKEN) != token:
            raise DistilError(
                f"A machine of the cluster does not see the folder {self.address}.",
                "Use one that all of them share, or an address such as s3://bucket/folder.",
            )

    def receipt(self, number: int) -> Receipt | None:
        """Return the receipt of a part, None if the part is not complete.

        Raises:
            DistilError: it can't be read.
        """
        found = _object(self._storage.read(_receipt_name(number)) or b"")
        try:
            return Receipt(**found)
        except TypeError:  # nothing, something damaged, or that of another version
            return None

    def finished(self, part: Part, layout: Layout) -> Receipt | None:
        """Return the receipt of a part if all files of it are there, and None otherwise.

        Raises:
            DistilError: there is one of other rows, or it can't be read.
        """
        receipt = self.receipt(part.number)
        if not receipt:
            return None
        if receipt.digest != part.digest:
            raise DistilError(
                f"Part {part.number} in {self.address} was computed from other rows: the input has"
                " changed since.",
                "Use another folder for the results of this input.",
            )
        if self._storage.size(_result_name(part.number, layout)) != receipt.size:
            return None
        if receipt.failures and self._storage.size(_error_name(part.number)) is None:
            return None
        return receipt

    def commit(self, part: Part, layout: Layout, computed: Iterable[Computed | Refused]) -> Receipt:
        """Write the results of a part, unless they are there, and return its receipt.

        Args:
            part: the rows. Those with a problem are among the errors.
            layout: how to write results.
            computed: all results of the other rows, in their order. Nothing is computed if the part
                is complete.

        Raises:
            DistilError: something can't be written, or there is such a part of other rows; or
                whatever is raised while results are computed. The part is not complete then.
        """
        known = self.finished(part, layout)
        if known:
            return known
        try:
            return self._committed(part, layout, computed)
        except DistilError:
            with suppress(DistilError):  # another process may have completed it meanwhile
                known = self.finished(part, layout)
            if known:
                return known
            raise

    def _committed(
        self, part: Part, layout: Layout, computed: Iterable[Computed | Refused]
    ) -> Receipt:
        refused = {row.number: row.problem for row in part.rows if row.problem}
        identifiers = {row.number: row.identifier for row in part.rows}
        without = identifiers.keys() - refused.keys()
        count = tokens = 0
        cut = set()
        with self._storage.new(_result_name(part.number, layout)) as file:
            writer = results(layout, file)
            for each in computed:
                without.discard(each.number)
                if isinstance(each, Refused):
                    refused[each.number] = each.problem
                    continue
                writer.add(each, identifiers[each.number])
                count += 1
                tokens += each.tokens
                if each.cut:
                    cut.add(each.number)
            writer.finish()
            if without:
                raise RuntimeError(f"row {min(without)} has no result")
        if refused:
            self._write_errors(part, layout, refused)
        rows = part.rows
        receipt = Receipt(
            number=part.number,
            rows=len(rows),
            results=count,
            failures=len(refused),
            tokens=tokens,
            empty=part.empty,
            cut=len(cut),
            first=rows[0].number if rows else None,
            last=rows[-1].number if rows else None,
            digest=part.digest,
            sha256=file.sha256,
            size=file.size,
        )
        with self._storage.new(_receipt_name(part.number)) as file:
            file.write(json_line(asdict(receipt)))
        return receipt

    def _write_errors(
        self, part: Part, layout: Layout, refused: Mapping[int, tuple[str, str]]
    ) -> None:
        with self._storage.new(_error_name(part.number)) as file:
            for row in part.rows:
                if row.number not in refused:
                    continue
                what, remedy = refused[row.number]
                record: dict[str, Any] = {layout.number: row.number}
                if layout.identifier is not None:
                    record[layout.identifier] = row.identifier
                record |= {ERROR: what, REMEDY: remedy}
                if row.text:
                    record[TEXT] = row.text
                file.write(json_line(record))

    def finish(self, parts: int, summary: Mapping[str, Any]) -> None:
        """End a run of which all parts are complete.

        Args:
            parts: how many there are.
            summary: what there is in all of them, as JSON.

        Raises:
            DistilError: it can't be written, or there are more parts, of an input that was longer.
        """
        if self.receipt(parts):
            raise DistilError(
                f"{self.address} has results of rows that the input does not have any more.",
                "Use another folder for the results of this input.",
            )
        with self._storage.new(SUCCESS) as file:
            file.write(json_line(summary))
        self._storage.finish()


def _opened(address: str, token: str) -> OutputFolder:
    folder = OutputFolder(address)
    folder.token = token
    return folder


def _result_name(number: int, layout: Layout) -> str:
    return _part_name(number) + ENDINGS[layout.format]


def _error_name(number: int) -> str:
    return f"_errors/{_part_name(number)}.jsonl"


def _receipt_name(number: int) -> str:
    return f"_parts/{_part_name(number)}.json"


def _part_name(number: int) -> str:
    """Return a name by which a million parts are in their order."""
    return f"part-{number:06}"


def _object(content: bytes) -> dict[str, Any]:
    """Return an object of JSON, an empty one where there is something else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _difference(before: Any, now: Any, place: str = "") -> tuple[str, str, str] | None:
    """Return the place of the first difference in two values of JSON, and what is there."""
    if before == now:
        return None
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**now, **before}:
            inside = f"{place}.{key}" if place else key
            if key not in before or key not in now:
                return inside, _short(before.get(key)), _short(now.get(key))
            if before[key] != now[key]:
                return _difference(before[key], now[key], inside)
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            if one != other:
                return _difference(one, other, f"{place}[{index}]")
    return place, _short(before), _short(now)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
