"""Model files damaged in every way: none crashes ``distil``, and the error says why.

python -m tests.fuzz.damaged_models [COUNT [SEED]]
"""

import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf

from distilgpt2_cli.errors import ExitStatus
from tests.support import gguf as models

TIMEOUT = 60  # seconds
ARGUMENTS = ("--seed", "1", "--max-tokens", "2", "--threads", "1", "Hello")
EXTREMES = (0, 1, 2, 3, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class Outcome:
    """How a run over one file ended; ``status`` is negative for a signal."""

    damage: str
    status: int
    seconds: float
    errors: str

    @property
    def is_good(self) -> bool:
        """Whether a user is served: a completion, or one sentence of what is wrong and one more."""
        if self.status == ExitStatus.DONE:
            return "Error" not in self.errors
        allowed = (ExitStatus.MODEL_DAMAGED, ExitStatus.MODEL_UNAVAILABLE)
        return self.status in allowed and self.errors.count("\n") == 1


class Damage:
    """Makes damaged copies of a model file, each by another way and place drawn at random."""

    def __init__(self, path: Path, seed: int) -> None:
        """Read the file and find its parts."""
        self.whole = path.read_bytes()
        self.random = random.Random(seed)
        reader = gguf.GGUFReader(path)
        self.data_offset = reader.data_offset
        self.numbers = [
            (name, _offset(reader, field))
            for name, field in reader.fields.items()
            if field.types == [gguf.GGUFValueType.UINT32] and not name.startswith("GGUF.")
        ]
        self.tensor_infos = min(_field_start(reader, t.field) for t in reader.tensors)

    def draw(self) -> tuple[str, bytes]:
        """Return what was done, and the damaged file."""
        ways: Sequence[Callable[[], tuple[str, bytes]]] = (
            self._truncated,
            self._number,
            self._number,
            self._bytes_of_the_metadata,
            self._bytes_of_the_tensor_infos,
            self._bytes_of_the_tensor_infos,
            self._bytes_of_the_data,
            self._word,
            self._removed,
            self._inserted,
        )
        return self.random.choice(ways)()

    def _truncated(self) -> tuple[str, bytes]:
        places = (self.data_offset, self.tensor_infos, len(self.whole))
        size = self.random.randrange(self.random.choice(places))
        return f"truncated at {size}", self.whole[:size]

    def _number(self) -> tuple[str, bytes]:
        name, offset = self.random.choice(self.numbers)
        value = self.random.choice(EXTREMES)
        return f"{name} = {value}", self._with(offset, struct.pack("<I", value))

    def _bytes_of_the_metadata(self) -> tuple[str, bytes]:
        return self._flipped(0, 2048, "start of the metadata")

    def _bytes_of_the_tensor_infos(self) -> tuple[str, bytes]:
        return self._flipped(self.tensor_infos, self.data_offset, "tensor infos")

    def _bytes_of_the_data(self) -> tuple[str, bytes]:
        return self._flipped(self.data_offset, len(self.whole), "data")

    def _flipped(self, start: int, end: int, part: str) -> tuple[str, bytes]:
        changed = bytearray(self.whole)
        offsets = [self.random.randrange(start, end) for _ in range(self.random.choice((1, 2, 8)))]
        for offset in offsets:
            changed[offset] = self.random.randrange(256)
        return f"{part}: bytes at {offsets}", bytes(changed)

    def _word(self) -> tuple[str, bytes]:
        offset = self.random.randrange(8, self.data_offset - 8)
        value = self.random.choice((0, 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1))
        return f"64 bits at {offset} = {value}", self._with(offset, struct.pack("<Q", value))

    def _removed(self) -> tuple[str, bytes]:
        offset = self.random.randrange(self.data_offset)
        count = self.random.choice((1, 4, 8, 100))
        return f"{count} bytes at {offset} removed", (
            self.whole[:offset] + self.whole[offset + count :]
        )

    def _inserted(self) -> tuple[str, bytes]:
        offset = self.random.randrange(self.data_offset)
        count = self.random.choice((1, 4, 8, 100))
        return f"{count} bytes at {offset} inserted", (
            self.whole[:offset] + self.random.randbytes(count) + self.whole[offset:]
        )

    def _with(self, offset: int, replacement: bytes) -> bytes:
        return self.whole[:offset] + replacement + self.whole[offset + len(replacement) :]


def _offset(reader: gguf.GGUFReader, field: gguf.ReaderField) -> int:
    """Return where the value of a single number stands in the file."""
    return int(field.parts[field.data[0]].ctypes.data - reader.data.ctypes.data)


def _field_start(reader: gguf.GGUFReader, field: gguf.ReaderField) -> int:
    return int(field.parts[0].ctypes.data - reader.data.ctypes.data)


def run(path: Path, damage: str, log: Path) -> Outcome:
    """Run ``distil generate`` over a file in a child of this process, which has it imported."""
    from distilgpt2_cli import __main__ as program

    start = time.monotonic()
    child = os.fork()
    if child == 0:
        sys.argv = ["distil", "generate", "--model", str(path), *ARGUMENTS]
        with log.open("wb") as file:
            os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        signal.alarm(TIMEOUT)
        status = 99
        try:
            status = program._run()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            os._exit(status)
    _, wait_status = os.waitpid(child, 0)
    seconds = time.monotonic() - start
    status = os.waitstatus_to_exitcode(wait_status)
    return Outcome(damage, status, seconds, log.read_text(errors="replace"))


def fuzz(count: int, seed: int) -> list[Outcome]:
    """Run ``distil`` over so many damaged files; return what is not good."""
    import distilgpt2_cli.cli.app
    import distilgpt2_cli.cli.completions
    import distilgpt2_cli.engine.session  # noqa: F401

    statuses: Counter[int] = Counter()
    bad: list[Outcome] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        damages = Damage(models.write(Path(folder) / "tiny.gguf", quantization="Q4_0"), seed)
        path, log = Path(folder) / "damaged.gguf", Path(folder) / "log"
        for _ in range(count):
            damage, content = damages.draw()
            path.write_bytes(content)
            outcome = run(path, damage, log)
            statuses[outcome.status] += 1
            slowest = max(slowest, outcome.seconds)
            if not outcome.is_good:
                bad.append(outcome)
    table = ", ".join(f"status {status}: {number}" for status, number in statuses.most_common())
    print(f"damaged models: {count} files, {table}; slowest {slowest:.2f} s; {len(bad)} bad")
    return bad


def main() -> None:
    """Print the counts, and every bad outcome; fail if there is one."""
    given = [int(argument) for argument in sys.argv[1:]]
    bad = fuzz(*(given + [3000, 0][len(given) :]))
    for outcome in bad[:20]:
        print(f"{outcome.damage}: status {outcome.status}: {outcome.errors[:300]}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
