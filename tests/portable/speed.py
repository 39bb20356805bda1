"""What the portable build costs: ``.venv/bin/python -m tests.portable.speed``.

Processor time is compared, which other work on the machine changes less than the time on a clock.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import gguf

PORTABLE = ".venv-portable/bin/python"
TURNS = 5
FEW, MANY = 20, 170  # tokens; the start is in both
TEXT = "word " * 900


def seconds(python: str, command: str, path: Path, *arguments: str) -> float:
    """Return the processor time in user mode that a run on one thread takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    common = ("-m", str(path), "--threads", "1")
    run = [python, "-m", "distilgpt2_cli", command, *common, *arguments]
    subprocess.run(run, check=True, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def generation(python: str, path: Path) -> float:
    """Return what generating one token after another takes, without the start."""
    options = ("--seed", "1", "--ignore-eos", "Once upon a time", "--max-tokens")
    many, few = (seconds(python, "generate", path, *options, str(count)) for count in (MANY, FEW))
    return many - few


def evaluation(python: str, path: Path) -> float:
    """Return what the evaluation of a long text takes."""
    return seconds(python, "score", path, "--json", TEXT)


def main() -> None:
    """Print the speed of the portable build divided by that of this one, for each file."""
    with tempfile.TemporaryDirectory() as folder:
        for quantization in ("Q4_K_M", "Q8_0", "F16"):
            path = Path(folder) / f"{quantization}.gguf"
            gguf.write(path, gguf.DISTILGPT2, quantization=quantization)
            for name, cost in (("generation", generation), ("evaluation", evaluation)):
                ratios = [cost(sys.executable, path) / cost(PORTABLE, path) for _ in range(TURNS)]
                print(f"{quantization:7} {name} {statistics.median(ratios):.2f}", flush=True)


if __name__ == "__main__":
    main()
