"""Grammars of every kind: each gives a text that follows, or one clear sentence; nothing crashes.

python -m tests.fuzz.grammars [COUNT [SEED]]

Half are made of pieces of real ones, put together at random, half are real ones with bytes changed.
llama.cpp's grammar code ends the process where something is wrong in it, so each runs in a child.
"""

import random
import tempfile
from collections import Counter
from pathlib import Path

import distilgpt2_cli.engine.constrained  # noqa: F401
from distilgpt2_cli.errors import ExitStatus
from tests.fuzz.child import run
from tests.fuzz.verdict import OTHER_FAULT, Verdict, numbers

MODEL = Path(__file__).parents[2] / "distilgpt2_cli/data/demo.gguf"
PIECES = (
    "root", "a", "b-2", "::=", "|", "(", ")", "*", "+", "?", "{2}", "{,3}", "{0,0}", "{1,}",
    "{3,2}", "{2000}", "\n", "\r\n", "\n\n", '"x"', '""', '"\\n"', '"é"', '"\\xC3"', "[a-z]",
    "[^a]", "[]", "[^]", "[z-a]", "[\\]-]", ".", "#", " # c\n", "<|endoftext|>", "<[5]>", "![", '"',
    "[", "\\", "\0", "\\uD800", '"\\U0001F600"', "[\\U00000000-\\U0010FFFF]", "\ufeff", "\t", "-",
)  # fmt: skip
REAL = (
    'root ::= "{" ws pair ("," ws pair)* "}"\npair ::= name ":" ws (name | [0-9]{1,3})\n'
    'name ::= "\\"" [^"\\\\\\x00-\\x1f]{0,8} "\\""\nws ::= " "?\n',
    'root ::= a{2,3} b-2 | "é" . [α-ω]\na ::= ("x" | "y"?) "z"*\nb-2 ::= [^a-z\\n]+ "."?\n',
    'root ::= (a | b-2)*\na ::= "(" root ")"\nb-2 ::= a? "b"\n',
    'root ::= a "1"\na ::= b-2 a "2" | "3"\nb-2 ::= "" | "4"\n',
)


def assembled(rng: random.Random) -> str:
    """Return one to four rules of random pieces, mostly in the right places."""
    rules = []
    for name in ("root", "a", "b-2", "a")[: rng.randrange(1, 5)]:
        length = rng.choice((1, 2, 4, 8, 20, 2000 if rng.random() < 0.02 else 5))
        pieces = (rng.choice(PIECES) for _ in range(length))
        if rng.random() < 0.8:  # what can stand there mostly, so that some are grammars
            pieces = (p for p in pieces if p not in ("::=", "\n", "\r\n", "\n\n", '"', "[", "\0"))
        rules.append(f"{name} ::= {' '.join(pieces)}\n")
    return "".join(rules)


def changed(rng: random.Random) -> bytes:
    """Return a real grammar with bytes replaced, removed, or doubled."""
    data = bytearray(rng.choice(REAL).encode())
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data))
        width = rng.randrange(1, 12)
        data[at : at + width] = rng.choice(
            (b"", data[at : at + width] * 2, rng.randbytes(1), rng.choice(PIECES).encode())
        )
    return bytes(data)


def fuzz(count: int, seed: int) -> Verdict:
    """Try so many grammars; return what went wrong."""
    rng = random.Random(seed)
    statuses: Counter[int] = Counter()
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "random.gbnf"
        for _ in range(count):
            grammar = assembled(rng).encode() if rng.random() < 0.5 else changed(rng)
            path.write_bytes(grammar)
            outcome = run(
                ["generate", "-m", str(MODEL), "--threads", "1", "-s", "1", "--max-tokens", "12",
                 "--quiet", "--grammar", str(path), "Hello"],
                folder,
            )  # fmt: skip
            statuses[outcome.status] += 1
            about = repr(grammar[:300])
            verdict.judge_end(outcome.status, outcome.errors, about)
            expected = (ExitStatus.DONE, ExitStatus.USAGE)
            lines = outcome.errors.count("\n")
            if outcome.status not in expected or lines != (outcome.status == ExitStatus.USAGE):
                verdict.add(
                    OTHER_FAULT, f"{about}: status {outcome.status}: {outcome.errors[:300]}"
                )
    table = ", ".join(f"status {status}: {number}" for status, number in statuses.most_common())
    print(f"grammars tried: {count} ({table}): {verdict}")
    return verdict


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    fuzz(*numbers(3000, 0)).end()


if __name__ == "__main__":
    main()
