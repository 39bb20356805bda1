"""Checkpoints damaged in every way: none crashes ``distil import``, and the error says why.

python -m tests.fuzz.checkpoints [COUNT [SEED]]
"""

import json
import os
import random
import shutil
import struct
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import distilgpt2_cli.cli.import_model  # noqa: F401 - so that each run need not import it
from distilgpt2_cli.errors import ExitStatus
from tests.fuzz.child import run
from tests.fuzz.verdict import OTHER_FAULT, Verdict, numbers
from tests.support import checkpoints
from tests.support.gguf import Shape

SHAPE = Shape(layers=1, width=32, heads=2, tokens=280, context=16)
EXTREMES: Sequence[Any] = (
    None, True, False, 0, 1, -1, 2, 7, 255, 2**31 - 1, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308,
    float("nan"), float("inf"), "", "x", "../../etc/passwd", "/dev/zero", "\0", "\ud800", "é" * 300,
    [], [[]], {}, {"a": {}}, [1, 2], ["a", "b"],
)  # fmt: skip
STATUSES = (ExitStatus.MODEL_DAMAGED, ExitStatus.MODEL_UNAVAILABLE)


class Damage:
    """Makes damaged copies of folders, each by another way and place drawn at random."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Make whole folders, one of each kind."""
        self.random = random.Random(seed)
        self.wholes = [
            checkpoints.write(folder / "one", SHAPE),
            checkpoints.write(folder / "parts", SHAPE, tied=False, in_parts=True),
            checkpoints.write(folder / "shards", SHAPE, shards=3),
            checkpoints.write_adapter(folder / "adapter"),
        ]
        for whole in self.wholes[:3]:
            (whole / "README.md").write_text("---\nlicense: mit\nbase_model: a/b\n---\n# It\n")
            checkpoints.save_json(whole / "generation_config.json", {"eos_token_id": 5})

    def draw(self, target: Path) -> str:
        """Make a damaged folder, and return what was done."""
        whole = self.random.choice(self.wholes)
        shutil.copytree(whole, target)
        path = self.random.choice(sorted(target.iterdir()))
        ways: list[Callable[[Path], str]] = [self._bytes, self._cut, self._missing, self._special]
        if path.suffix == ".json":
            ways += [self._value] * 6 + [self._bomb]
        if path.suffix == ".safetensors":
            ways += [self._header] * 6 + [self._length]
        way = self.random.choice(ways)
        return f"{whole.name}/{path.name}: {way(path)}"

    def _bytes(self, path: Path) -> str:
        content = bytearray(path.read_bytes())
        places = [self.random.randrange(len(content)) for _ in range(self.random.choice((1, 8)))]
        for place in places:
            content[place] = self.random.randrange(256)
        path.write_bytes(content)
        return f"bytes at {places}"

    def _cut(self, path: Path) -> str:
        size = self.random.randrange(path.stat().st_size)
        path.write_bytes(path.read_bytes()[:size])
        return f"cut at {size}"

    def _missing(self, path: Path) -> str:
        path.unlink()
        return "missing"

    def _special(self, path: Path) -> str:
        path.unlink()
        what = self.random.choice(("folder", "pipe", "zero", "loop", "nowhere"))
        if what == "folder":
            path.mkdir()
        elif what == "pipe":
            os.mkfifo(path)
        else:
            places = {"zero": "/dev/zero", "loop": path.name, "nowhere": "/nowhere"}
            path.symlink_to(places[what])
        return what

    def _bomb(self, path: Path) -> str:
        depth = self.random.choice((500, 100_000))
        path.write_text('{"a":' * depth + "1" + "}" * depth)
        return f"{depth} objects in each other"

    def _value(self, path: Path) -> str:
        values = json.loads(path.read_bytes())
        changed = self._changed(values)
        path.write_text(json.dumps(values), encoding="utf-8", errors="surrogatepass")
        return changed

    def _changed(self, values: Any) -> str:
        """Change something within a value of JSON."""
        keys = list(values) if isinstance(values, dict) else list(range(len(values)))
        if not keys:
            return "nothing"
        key = self.random.choice(keys)
        inner = values[key]
        if isinstance(inner, (dict, list)) and inner and self.random.random() < 0.7:
            return f"{key}: {self._changed(inner)}"
        way = self.random.randrange(4)
        if way == 0:
            del values[key]
            return f"{key} left out"
        if way == 1 and isinstance(values, dict):
            values[self.random.choice(("", "x", "wte.weight", "é\0"))] = values.pop(key)
            return f"{key} renamed"
        values[key] = self.random.choice(EXTREMES)
        return f"{key} = {values[key]!r:.40}"

    def _header(self, path: Path) -> str:
        content = path.read_bytes()
        size = struct.unpack_from("<Q", content)[0]
        header = json.loads(content[8 : 8 + size])
        changed = self._changed(header)
        new = json.dumps(header).encode(errors="surrogatepass")
        path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + size :])
        return changed

    def _length(self, path: Path) -> str:
        size = self.random.choice((0, 1, 2**31, 2**63, 2**64 - 1))
        path.write_bytes(struct.pack("<Q", size) + path.read_bytes()[8:])
        return f"a header of {size} bytes"


def fuzz(count: int, seed: int) -> Verdict:
    """Import so many damaged folders; return what went wrong."""
    statuses: Counter[int] = Counter()
    verdict = Verdict()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        damages = Damage(folder / "wholes", seed)
        os.environ["XDG_DATA_HOME"] = str(folder / "data")
        target = folder / "damaged"
        for _ in range(count):
            damage = damages.draw(target)
            arguments = ["import", str(target), "--quiet", "--force"]
            outcome = run(arguments, folder)
            shutil.rmtree(target)
            statuses[outcome.status] += 1
            slowest = max(slowest, outcome.seconds)
            verdict.judge_end(outcome.status, outcome.errors, damage)
            is_done = outcome.status == ExitStatus.DONE and not outcome.errors
            is_refused = outcome.status in STATUSES and outcome.errors.count("\n") == 1
            if not (is_done or is_refused):
                line = f"{damage}: status {outcome.status}: {outcome.errors[:300]}"
                verdict.add(OTHER_FAULT, line)
    table = ", ".join(f"status {status}: {number}" for status, number in statuses.most_common())
    print(f"folders mutated: {count} ({table}), slowest {slowest:.2f} s: {verdict}")
    return verdict


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    count, seed = numbers(2000, 0)
    fuzz(count, seed).end()


if __name__ == "__main__":
    main()
