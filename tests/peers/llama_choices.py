"""``distil choose`` beside llama.cpp's ``--hellaswag``, ``--multiple-choice`` and ``--winogrande``.

    python -m tests.peers.llama_choices [MODEL.gguf]

By default the demo model in 32-bit floats. The items are made up: what counts is that both programs
choose the same. llama.cpp's program prints scores for WinoGrande only; which of the other items it
gets right is known from its running accuracy.
"""

import json
import random
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from distilgpt2_cli.engine.llama import log
from distilgpt2_cli.engine.llama.cores import usable_cores
from distilgpt2_cli.models import demo
from tests.bench.processes import DISTIL
from tests.bench.programs import program
from tests.support import gguf

ITEMS = 100
NAMES = ("Tom", "Lily", "Ben", "Mia", "Sue", "Max", "Anna", "the old man", "her mother", "the dog")
PLACES = ("in the garden", "at the park", "near the river", "in the big house", "by the sea")
THINGS = ("a red ball", "a shiny stone", "some cake", "a little bird", "an old book", "a long rope")
DEEDS = (
    "smiled and said thank you", "ran away as fast as possible", "began to cry", "fell asleep",
    "gave it back to its owner and felt very proud", "ate all of it", "put it in a box",
    "climbed the tree to see more", "was happy",
)  # fmt: skip
# After these, at most 3 tokens differ. There, llama.cpp's program takes the first log-probability
# of the second option from a wrong place, as a remark in its source says.
SHORT = ("won.", "smiled.")
STATES = ("was tired", "wanted to play with it", "felt sorry", "had asked for it nicely", "smiled")

Record = dict[str, Any]


def endings(draw: random.Random) -> Record:
    """Return an item with four endings; some begin with the same words."""
    who, thing = draw.choice(NAMES), draw.choice(THINGS)
    context = f"One day {who} found {thing} {draw.choice(PLACES)}."
    subject = draw.choice((who.capitalize(), "They"))
    choices = [f"{subject} {deed}." for deed in draw.sample(DEEDS, 4)]
    return {"context": context, "choices": choices, "gold": draw.randrange(4)}


def blank(draw: random.Random) -> Record:
    """Return a sentence with a blank; in some, little follows it."""
    first, second = draw.sample(NAMES[:7], 2)
    state = draw.choice((*STATES, "won"))
    sentence = f"{first} gave {draw.choice(THINGS)} to {second} because _ {state}."
    options = {"option1": first, "option2": second}
    return {"sentence": sentence, **options, "answer": str(draw.randrange(1, 3))}


def ours(model: Path, items: Sequence[Record], path: Path) -> list[Record]:
    """Return what ``distil choose --json`` prints."""
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    command = [DISTIL[0], "choose", "--model", str(model), "--json", "--quiet", "--file", str(path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


def theirs(model: Path, *arguments: object) -> str:
    """Return what llama.cpp's program prints."""
    own = ("-m", model, "-c", 512, "-t", usable_cores(), "-fa", "on")
    command = [program("llama-perplexity"), *map(str, (*own, *arguments))]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def right_ones(printed: str) -> list[bool]:
    """Return which items were right, from the accuracy after each."""
    shares = [float(share) for share in re.findall(r"^\d+\t([\d.]+)", printed, re.MULTILINE)]
    counts = [0, *(round(share * number / 100) for number, share in enumerate(shares, 1))]
    return [after > before for before, after in pairwise(counts)]


def multiple_choice_file(items: Sequence[Record]) -> bytes:
    """Return items in the format of ``--multiple-choice``: see its ``deserialize``."""

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value.encode())) + value.encode()

    def answers(item: Record) -> bytes:
        choices = item["choices"]
        labels = [int(number == item["gold"]) for number in range(len(choices))]
        packed = struct.pack(f"<{len(labels)}i", *labels)
        return struct.pack("<I", len(choices)) + b"".join(map(text, choices)) + packed

    tasks = [text(item["context"]) + answers(item) + struct.pack("<I", 0) for item in items]
    positions = struct.pack(f"<{len(tasks)}I", *[0] * len(tasks))  # read for a selection only
    return struct.pack("<I", len(tasks)) + positions + b"".join(tasks)


def endings_lines(model: Path, folder: Path) -> Iterator[str]:
    """Compare items with four endings."""
    draw = random.Random(1)
    items = [endings(draw) for _ in range(ITEMS)]
    *found, summary = ours(model, items, folder / "items.jsonl")
    accuracy = next(row["accuracy"] for row in summary["accuracies"] if row["rule"] == "hellaswag")
    path = folder / "items.bin"
    path.write_bytes(multiple_choice_file(items))
    right = right_ones(theirs(model, "-bf", path, "--multiple-choice"))
    same = sum(a["correct"]["hellaswag"] == b for a, b in zip(found, right, strict=True))
    yield f"--multiple-choice: the same for {same} of {ITEMS} items"
    path = folder / "items.txt"
    lines = [[item["context"], str(item["gold"]), *item["choices"]] for item in items]
    path.write_text("".join(f"{line}\n" for item in lines for line in item) + "\n")
    printed = theirs(model, "-f", path, "--hellaswag", "--hellaswag-tasks", ITEMS)
    last = re.findall(r"^\d+\t([\d.]+)%\t\[([\d.]+)%, ([\d.]+)%\]", printed, re.MULTILINE)[-1]
    yield f"--hellaswag: accuracy and interval {' '.join(last)}, distil {100 * accuracy:.4f}"
    row = next(row for row in summary["accuracies"] if row["rule"] == "hellaswag")
    yield f"distil's interval {' '.join(f'{100 * end:.4f}' for end in row['interval'])}"


def blank_lines(model: Path, folder: Path) -> Iterator[str]:
    """Compare sentences with a blank."""
    draw = random.Random(2)
    items = [blank(draw) for _ in range(ITEMS)]
    *found, summary = ours(model, items, folder / "items.jsonl")
    path = folder / "items.csv"
    rows = [(i["sentence"], i["option1"], i["option2"], i["answer"]) for i in items]
    lines = "".join(f"{n},{','.join(row)}\n" for n, row in enumerate(rows))
    path.write_text(f"{lines}\n\n")  # a line without an end would not be read
    printed = theirs(model, "-f", path, "--winogrande")
    scores = [
        (float(first), float(second), int(result))
        for first, second, result in re.findall(
            r"^\d+\t[\d.]+\t *(-?[\d.]+) +(-?[\d.]+) +(\d)", printed, re.MULTILINE
        )
    ]
    assert len(scores) == len(found)
    far: dict[bool, list[float]] = {True: [], False: []}
    same = {True: 0, False: 0}
    for record, item, (first, second, result) in zip(items, found, scores, strict=True):
        is_short = record["sentence"].endswith(SHORT)
        own = [choice["winogrande"] for choice in item["choices"]]
        same[is_short] += item["chosen"]["winogrande"] + 1 == result
        far[is_short].append(abs(own[0] - first))
        if not is_short:
            far[is_short].append(abs(own[1] - second))
    accuracy = next(r["accuracy"] for r in summary["accuracies"] if r["rule"] == "winogrande")
    shown = re.findall(r"^\d+\t([\d.]+)", printed, re.MULTILINE)[-1]
    short = len(far[True])
    yield f"--winogrande: the same choice for {same[False]} of {ITEMS - short} items"
    yield f"largest difference of a score in nats: {max(far[False]):.6f}"
    yield f"where at most 3 tokens differ: the same choice for {same[True]} of {short} items"
    yield f"largest difference of the first score there: {max(far[True]):.6f}"
    yield f"accuracy of all {shown}, distil {100 * accuracy:.4f}"


def main() -> None:
    """Print how far both programs agree."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 1:
            model = Path(sys.argv[1])
        else:
            log.start()
            model = gguf.dequantize(demo().path, folder / "F32.gguf")
        for lines in (endings_lines(model, folder), blank_lines(model, folder)):
            for line in lines:
                print(line, flush=True)


if __name__ == "__main__":
    main()
