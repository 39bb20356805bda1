"""Prompts of every kind: each gives a text or one clear sentence, and nothing crashes.

python -m tests.fuzz.inputs [COUNT [SEED [MEGABYTES]]]

MEGABYTES is the size of the large inputs.
"""

import random
import tempfile
from collections import Counter
from pathlib import Path

from distilgpt2_cli.children.process_cost import run_process
from distilgpt2_cli.errors import ExitStatus
from tests.fuzz.child import run
from tests.fuzz.verdict import OTHER_FAULT, Verdict, numbers
from tests.support import gguf
from tests.support.run import DISTIL

SPECIAL = (
    "\0", "\x1b[31m", "\x1b]52;c;x\x07", "\r", "\n", "\r\n", "\t", "\u202e", "\u2028", "\ufeff",
    "\u0301" * 30, "\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "<|endoftext|>", "[bold]",
    "a" * 5000, " " * 3000, "\ufffd", "\U0010ffff",
)  # fmt: skip
OPTIONS = (
    (), ("--json",), ("--lines",), ("--lines", "--parallel", "3"), ("--echo",), ("-n", "2"),
    ("--temperature", "0"), ("--stop", "e"), ("--repetition-penalty", "1.3"),
)  # fmt: skip


def text(rng: random.Random) -> str:
    """Return characters of all planes, special ones among them."""
    parts = []
    for _ in range(rng.randrange(12)):
        kind = rng.randrange(3)
        if kind == 0:
            parts.append(rng.choice(SPECIAL))
        else:
            highest = 0x250 if kind == 1 else 0x110000
            codes = (rng.randrange(highest) for _ in range(rng.randrange(20)))
            parts.append("".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000))
    return "".join(parts)


def is_utf8(data: bytes) -> bool:
    """Return whether all of it is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def fuzz(count: int, seed: int, megabytes: int) -> Verdict:
    """Try so many inputs; return what went wrong."""
    rng = random.Random(seed)
    statuses: Counter[int] = Counter()
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = gguf.write(folder / "tiny.gguf")
        for _ in range(count):
            options = rng.choice(OPTIONS)
            base = ["generate", "-m", str(model), "--threads", "1", "-s", "1", "--quiet"]
            data = text(rng).encode() if rng.random() < 0.8 else rng.randbytes(rng.randrange(200))
            as_argument = "--lines" not in options and b"\0" not in data and rng.random() < 0.3
            arguments = [*base, "--max-tokens", str(rng.choice((1, 5, 150))), *options]
            if as_argument:
                # As Python has it from the system: bytes that are not UTF-8 as lone surrogates.
                arguments += ["--", data.decode(errors="surrogateescape")]
            outcome = run(arguments, folder, b"" if as_argument else data)
            statuses[outcome.status] += 1
            expected = ExitStatus.DONE if is_utf8(data) else ExitStatus.FAILED
            about = f"{options} {data[:80]!r}"
            verdict.judge_end(outcome.status, outcome.errors, about)
            if outcome.status != expected or not is_utf8(outcome.output):
                verdict.add(
                    OTHER_FAULT, f"{about}: status {outcome.status}: {outcome.errors[:300]}"
                )
        print(large_inputs(model, megabytes))
    table = ", ".join(f"status {status}: {number}" for status, number in statuses.most_common())
    print(f"inputs tried: {count} ({table}): {verdict}")
    return verdict


def large_inputs(model: Path, megabytes: int) -> str:
    """Say what a large input costs, as lines and as a single line, beside a small one."""
    size = megabytes * 1_000_000
    distil = f"{' '.join(DISTIL)} generate -m '{model}' --quiet --max-tokens 2"
    costs = [
        run_process(["sh", "-c", f"yes '{line}' {flat} | head -c {count} | {distil}"])
        for line, flat, count in (
            ("Hello there", "", 1000),
            ("Hello there", "", size),
            ("Hello there", "| tr -d '\\n'", size),
            ("a", "| tr -d '\\n'", size),
        )
    ]
    told = [f"{cost.first_byte_seconds:.2f} s and {cost.peak_bytes / 1e6:.0f} MB" for cost in costs]
    return (
        f"standard input of 1 kB takes {told[0]}, of {megabytes} MB {told[1]}, in a single line"
        f" {told[2]}, of one letter {told[3]}"
    )


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    fuzz(*numbers(2000, 0, 50)).end()


if __name__ == "__main__":
    main()
