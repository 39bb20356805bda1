"""Draws the pictures of the pages that are made of figures: ``python docs/pictures.py``."""

import json
import subprocess
import sys
from pathlib import Path

from matplotlib import pyplot

FOLDER = Path(__file__).parent


def words() -> None:
    """Draw the surprisals of two sentences of the items."""
    command = ("distil", "score", "--model", "demo", "--words", "--json", "--column", "sentence")
    made = subprocess.run(
        [*command, "--file", FOLDER / "examples" / "items.csv"], capture_output=True, check=True
    )
    rows = [json.loads(line) for line in made.stdout.splitlines()]
    figure, axes = pyplot.subplots(figsize=(8, 3.2), layout="constrained")
    for item, (condition, colour) in enumerate(
        (("surprising", "#c0392b"), ("expected", "#0b5cad"))
    ):
        own = [row for row in rows if row["item"] == 1 and row["condition"] == condition]
        axes.plot([row["surprisal"] for row in own], "o-", color=colour, label=condition)
        axes.annotate(own[-1]["text"], (9, own[-1]["surprisal"]), (9.15, own[-1]["surprisal"]))
        if item:
            axes.set_xticks(range(len(own)), [row["text"] for row in own[:-1]] + [""])
    axes.set_ylabel("surprisal in bits")
    axes.set_xlim(right=10)
    axes.legend(frameon=False)
    figure.savefig(FOLDER / "images" / "words.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(words())
