"""``make bench``: every group of ratios, as a table and as JSON.

Lines of JSON go to standard output; a table in Markdown, with the machine, to standard error.

    python -m tests.bench [GROUP ...]
"""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from distilgpt2_cli.engine import versions
from distilgpt2_cli.engine.llama.bindings import features
from distilgpt2_cli.engine.llama.cores import usable_cores
from tests.bench.adapters import adapted
from tests.bench.constrained import constrained
from tests.bench.finding import HEADER, Finding
from tests.bench.llama_programs import beside_programs
from tests.bench.lone import lone_tokens
from tests.bench.mapping import mapped
from tests.bench.parallel import lines, together
from tests.bench.processes import cold_start, generation
from tests.bench.prompts import together as prompts_together
from tests.bench.rates import rates
from tests.bench.scoring import scoring
from tests.bench.servers import beside_llama_server
from tests.bench.serving import clients
from tests.bench.starts import starts
from tests.bench.threads import choice_of_threads, long_run
from tests.bench.workers import workers
from tests.support import gguf

QUANTIZATIONS = ("Q4_K_M", "Q8_0")
Benchmark = Callable[[Path, str], Iterator[Finding]]


def own_benchmark(path: Path, file: str) -> Iterator[Finding]:
    """Group 7: ``distil bench`` finds the fastest number of threads and says so."""
    command = [sys.executable, "-m", "distilgpt2_cli", "bench", "--model", str(path), "--json"]
    command += ["--tokens", "100", "--repetitions", "3", "--quiet"]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    results = [json.loads(line) for line in output.splitlines()]
    (fastest,) = (result for result in results if result["fastest"])
    yield Finding(
        7,
        f"`distil bench`: engine by bare loop with the fastest threads, {fastest['threads']}",
        file,
        fastest["ratio"]["median"],
        spread=(fastest["ratio"]["low"], fastest["ratio"]["high"]),
        medians={f"threads {r['threads']}": r["generation"]["median"] for r in results},
    )


OF_DISTILGPT2: dict[str, Benchmark] = {
    "1": generation,
    "2": cold_start,
    "4": together,
    "5": choice_of_threads,
    "6": long_run,
    "7": own_benchmark,
    "8": scoring,
    "9": clients,
    "10": constrained,
    "12": workers,
    "13": beside_llama_server,
    "14": beside_programs,
    "15": prompts_together,
    "16": lone_tokens,
    "17": adapted,
    "18": mapped,
    "19": rates,
}


def findings(groups: set[str], folder: Path) -> Iterator[Finding]:
    """Yield what every group finds on files made on the spot."""
    chosen = [OF_DISTILGPT2[group] for group in OF_DISTILGPT2 if not groups or group in groups]
    for quantization in QUANTIZATIONS if chosen else ():
        path = folder / f"{quantization}.gguf"
        gguf.write(path, gguf.DISTILGPT2, quantization=quantization)
        for benchmark in chosen:
            yield from benchmark(path, quantization)
    if not groups or "4" in groups:
        yield from lines(gguf.write(folder / "tiny.gguf"), "2 layers, width 64")
    if not groups or "11" in groups:
        yield from starts()


def main() -> None:
    """Run the groups that are named, or all."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for finding in findings(set(sys.argv[1:]), Path(folder)):
            print(finding.to_json(), flush=True)
            found.append(finding)
    print(
        f"{date.today()}, {platform.platform()}, {usable_cores()} cores, {versions()}\n"
        f"{features()}\n\n{HEADER}",
        file=sys.stderr,
    )
    for finding in sorted(found, key=lambda finding: finding.group):
        print(finding.to_row(), file=sys.stderr)


if __name__ == "__main__":
    main()
