"""Adds this build's texts to ``golden_demo.json``: ``python -m tests.cli.make_golden_demo``."""

import json
from pathlib import Path

from distilgpt2_cli.engine.llama.bindings import features
from tests.cli.test_demo import BUILDS, GOLDEN, SEEDS, complete


def main() -> None:
    """Write what the bundled model says here for the same prompt and seeds."""
    builds = BUILDS | {features(): {str(seed): complete(seed) for seed in SEEDS}}
    path = Path(__file__).with_name("golden_demo.json")
    path.write_text(json.dumps(GOLDEN | {"builds": builds}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
