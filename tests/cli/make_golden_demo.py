"""Makes ``golden_demo.json`` anew: ``python -m tests.cli.make_golden_demo``."""

import json
from pathlib import Path

from distilgpt2_cli.engine.llama.bindings import features
from tests.cli.test_demo import GOLDEN, complete


def main() -> None:
    """Write what the bundled model says here for the same prompt and seeds."""
    golden = {
        **GOLDEN,
        "features": features(),
        "texts": {seed: complete(int(seed)) for seed in GOLDEN["texts"]},
    }
    path = Path(__file__).with_name("golden_demo.json")
    path.write_text(json.dumps(golden, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
