"""Millions of short rows through `distil map` without a model: what a row costs, in which memory.

python -m tests.soak.rows [ROWS [PART_ROWS [ACTORS]]]

Everything is real but the task, which copies the rows: the reader, Ray, the actors and the folder.
"""

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow
from pyarrow import parquet

from distilgpt2_cli.cluster import driver
from distilgpt2_cli.cluster.actor import block_of_part
from distilgpt2_cli.cluster.addresses import find_inputs
from distilgpt2_cli.cluster.folder import OutputFolder
from distilgpt2_cli.cluster.job import Cluster, Job
from distilgpt2_cli.cluster.parts import cut, encode
from distilgpt2_cli.cluster.reading import RowReader
from distilgpt2_cli.cluster.run import computed_parts
from tests.support.copied_rows import CopiedRows
from tests.support.processes import descendants, memory_bytes, processor_seconds

POINTS = 10
MOST_PART_BYTES = 4_000  # that the driver keeps of a part: statistics of Ray Data
MOST_GROWTH = 10_000_000  # bytes of any other process, and of the store, after the first tenth
_SHORT_RUN = 1_000_000  # rows for the reader without Ray
_ENDINGS = ("txt", "jsonl", "csv", "parquet")
_COMMAND = "command"
_DRIVER = "driver"
_STORE = "store"
_ACTOR = "actor"
_RAYLET = "raylet"
_KINDS = {  # by the beginning of the name of a process of Ray, or its program
    "ray::ReadParts": "reader",
    "ray::MapWorker": _ACTOR,
    "ray::Attempts": "attempts",
    "raylet": _RAYLET,
    "gcs_server": "GCS",
}
_REST = "the rest"
_COLUMNS = (_COMMAND, _DRIVER, *_KINDS.values(), _REST)


@dataclass(frozen=True)
class Usage:
    """What processes use.

    Attributes:
        memory: resident bytes of the largest, by kind, without memory that is meant to be shared;
            and of the object store.
        total: resident bytes of all processes, in which a shared page counts once.
        seconds: processor time, by kind.
        actors: the numbers of their processes.
        time: when that was, in seconds.
    """

    memory: Mapping[str, int]
    total: int
    seconds: Mapping[str, float]
    actors: frozenset[int]
    time: float

    @staticmethod
    def now() -> "Usage":
        """Look at this process and all that it has started."""
        memory: dict[str, int] = defaultdict(int)
        seconds: dict[str, float] = defaultdict(float)
        total, actors = 0, set()
        for process, kind in _processes():
            with suppress(OSError, KeyError):  # it has ended
                private = memory_bytes(process, "status", "RssAnon", "RssFile")
                total += memory_bytes(process, "smaps_rollup", "Pss")
                memory[kind] = max(memory[kind], private)
                seconds[kind] += processor_seconds(process)
                if kind == _RAYLET:
                    memory[_STORE] = _store_bytes(process)
                if kind == _ACTOR:
                    actors.add(process)
        return Usage(memory, total, seconds, frozenset(actors), time.monotonic())


def _processes() -> Iterator[tuple[int, str]]:
    yield os.getpid(), _COMMAND
    for process in descendants(os.getpid()):
        with suppress(OSError):  # it has ended
            yield process, _kind(process)


def _kind(process: int) -> str:
    arguments = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
    if driver.__name__ in arguments:
        return _DRIVER
    program = Path(arguments[0]).name
    for beginning, kind in _KINDS.items():
        if program.startswith(beginning):
            return kind
    return _REST


def _store_bytes(raylet: int) -> int:
    """Return how much of the object store, a file in shared memory, was ever used."""
    for descriptor in Path(f"/proc/{raylet}/fd").iterdir():
        if "plasma" in str(descriptor.readlink()):
            return descriptor.stat().st_blocks * 512
    return 0


def run(job: Job, actors: int, rows: int) -> list[tuple[int, int, Usage]]:
    """Compute all rows; return parts, rows and what was used at each tenth of them."""
    folder = OutputFolder(job.output)
    folder.begin({}, resume=False)
    points: list[tuple[int, int, Usage]] = []
    parts = done = 0
    with closing(computed_parts(job, Cluster(workers=actors), folder.token, print)) as found:
        for part in found:
            parts, done = parts + 1, done + part.rows
            if done * POINTS >= rows * (len(points) + 1):
                points.append((parts, done, Usage.now()))
    assert done == rows
    written = sum(path.stat().st_size for path in Path(job.output).glob("part-*"))
    assert written == sum(job.inputs.sizes)
    return points


def report(points: Sequence[tuple[int, int, Usage]]) -> bool:
    """Print what was found, and return whether memory was constant."""
    columns = (*_COLUMNS, _STORE)
    first_parts, first_rows, first = points[0]
    print("resident memory in MB\nrows", *columns, "all together", sep="\t")
    for _, rows, usage in points:
        cells = (f"{usage.memory.get(kind, 0) / 1e6:.1f}" for kind in columns)
        print(f"{rows:,}", *cells, f"{usage.total / 1e6:.0f}", sep="\t")
    parts, rows, last = points[-2]  # before the reader ends
    seconds, parts, rows = last.time - first.time, parts - first_parts, rows - first_rows
    print(
        f"{rows / seconds:,.0f} rows/s, {seconds / rows * 1e6:.2f} µs a row,"
        f" {seconds / parts * 1e3:.2f} ms a part of {rows / parts:,.0f} rows"
    )
    print("processor time of a part, in ms")
    for kind in _COLUMNS:
        spent = last.seconds.get(kind, 0) - first.seconds.get(kind, 0)
        print(f"{kind}\t{spent / parts * 1e3:.2f}")
    growth = {kind: last.memory[kind] - first.memory[kind] for kind in columns}
    of_part = growth.pop(_DRIVER) / parts
    stayed = last.actors == first.actors  # each would have loaded a model
    good = of_part <= MOST_PART_BYTES and max(growth.values()) <= MOST_GROWTH and stayed
    print(
        f"grown by {of_part:,.0f} bytes a part in the driver, and"
        f" {max(growth.values()) / 1e6:.1f} MB at most elsewhere; the actors"
        f" {'stayed' if stayed else 'were replaced'}: {'good' if good else 'BAD'}"
    )
    return good


def read_alone(job: Job) -> float:
    """Return the rows/s of the reader: what it does without Ray, on one core."""
    start = time.perf_counter()
    rows = 0
    for part in cut(RowReader(job.inputs), job.task.chunk_texts, job.part_rows):
        block_of_part(part.number, encode(part))
        rows += len(part.rows)
    return rows / (time.perf_counter() - start)


def job_of(folder: Path, rows: int, part_rows: int, ending: str = "txt") -> Job:
    """Return a run over so many short rows, which are written to a file with this ending."""
    source = folder / f"{rows}.{ending}"
    texts = (f"Row {number}" for number in range(rows))
    if ending == "parquet":
        parquet.write_table(pyarrow.table({"text": list(texts)}), source)
    else:
        lines = (json.dumps({"text": text}) for text in texts) if ending == "jsonl" else texts
        header = ["text"] if ending == "csv" else []
        with source.open("w") as file:
            file.writelines(f"{line}\n" for line in chain(header, lines))
    inputs = find_inputs([str(source)], None, None)
    return Job(CopiedRows(), inputs, str(folder / "out"), "text", part_rows, "line")


def main() -> None:
    """Print what was found; fail if memory grew."""
    given = [int(argument) for argument in sys.argv[1:]]
    rows, part_rows, actors = given + [10_000_000, 1024, 2][len(given) :]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for ending in _ENDINGS:
            alone = read_alone(job_of(folder, min(rows, _SHORT_RUN), part_rows, ending))
            print(f"the reader alone, {ending}: {alone:,.0f} rows/s")
        good = report(run(job_of(folder, rows, part_rows), actors, rows))
    sys.exit(not good)


if __name__ == "__main__":
    main()
