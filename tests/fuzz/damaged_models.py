"""Model files damaged in every way: none crashes ``distil``, and the error says why.

python -m tests.fuzz.damaged_models [COUNT [SEED [COMMAND]]]

With ``lora`` as the command, it is an adapter that is damaged, and its model is not.
"""

import random
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Sequence
from pathlib import Path

import gguf

from distilgpt2_cli.errors import ExitStatus
from tests.fuzz.child import Outcome, run
from tests.fuzz.verdict import OTHER_FAULT, Verdict, numbers
from tests.support import adapters
from tests.support import gguf as models
from tests.support.gguf_tensors import Reader

ARGUMENTS = {
    "generate": ("--seed", "1", "--max-tokens", "2", "--threads", "1", "Hello"),
    "info": (),
    "score": ("--threads", "1", "--json", "Hello there"),
    "next": ("--threads", "1", "--json", "Hello there"),
    "lens": ("--threads", "1", "--json", "Hello there"),
    "features": ("--threads", "1", "--json", "Hello there"),
    "tokenize": ("--json", "Hello there"),
}
_QUANTIZE = "quantize"
_ADAPTER, _BASE = "lora", "base.gguf"
_SHAPE = models.Shape(layers=1, tokens=1001)
EXTREMES = (0, 1, 2, 3, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1)


def command_line(command: str, path: Path) -> list[str]:
    """Return the arguments of ``distil`` for a model."""
    if command == _QUANTIZE:
        return [command, str(path), "--quant", "Q4_0", "--threads", "1", "--force", "--quiet"]
    if command == _ADAPTER:
        base = str(path.with_name(_BASE))
        return ["generate", "--model", base, "--lora", str(path), *ARGUMENTS["generate"]]
    return [command, "--model", str(path), *ARGUMENTS[command]]


def statuses_of(command: str) -> set[ExitStatus]:
    """Return how a command may end with an error: one that quantizes refuses what is quantized."""
    return {ExitStatus.MODEL_DAMAGED, *([ExitStatus.USAGE] if command == _QUANTIZE else [])}


def judge(outcome: Outcome, damage: str, verdict: Verdict, allowed: Container[int]) -> None:
    """See to it that a user is served: by a completion, or one line that says what is wrong."""
    verdict.judge_end(outcome.status, outcome.errors, damage)
    if outcome.status == ExitStatus.DONE:
        good = "Error" not in outcome.errors
    else:
        good = outcome.status in allowed and outcome.errors.count("\n") == 1
    if not good:
        verdict.add(OTHER_FAULT, f"{damage}: status {outcome.status}: {outcome.errors[:300]}")


class Damage:
    """Makes damaged copies of a model file, each by another way and place drawn at random."""

    def __init__(self, path: Path, seed: int) -> None:
        """Read the file and find its parts."""
        self.whole = path.read_bytes()
        self.random = random.Random(seed)
        reader = Reader(path)
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


def _model(folder: Path, command: str) -> Path:
    """Write the model to be damaged."""
    kind = "F32" if command == _QUANTIZE else "Q4_0"
    return models.write(folder / "tiny.gguf", quantization=kind)


def _adapter(folder: Path) -> Path:
    """Write an adapter for the linear layers, the output and the embeddings, and its model."""
    models.write(folder / _BASE, _SHAPE)
    names = (*adapters.LINEAR, "output", "token_embd")
    pairs = adapters.random_pairs(_SHAPE, 1, names=names)
    path = folder / "adapter.gguf"
    return adapters.write(path, pairs, add=lambda writer: writer.add_quantization_version(2))


def fuzz(count: int, seed: int, command: str) -> Verdict:
    """Run a command of ``distil`` over so many damaged files; return what went wrong."""
    statuses: Counter[int] = Counter()
    verdict = Verdict()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = _adapter(folder) if command == _ADAPTER else _model(folder, command)
        damages, allowed = Damage(whole, seed), statuses_of(command)
        path = folder / "damaged.gguf"
        arguments = command_line(command, path)
        for _ in range(count):
            damage, content = damages.draw()
            path.write_bytes(content)
            outcome = run(arguments, folder)
            statuses[outcome.status] += 1
            slowest = max(slowest, outcome.seconds)
            judge(outcome, damage, verdict, allowed)
    table = ", ".join(f"status {status}: {number}" for status, number in statuses.most_common())
    print(f"files mutated: {count} ({table}), slowest {slowest:.2f} s: {verdict}")
    return verdict


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    command = sys.argv.pop(3) if len(sys.argv) > 3 else "generate"
    count, seed = numbers(3000, 0)
    fuzz(count, seed, command).end()


if __name__ == "__main__":
    main()
