"""Compares what the portable build computes here with the same on emulated, older processors.

``make test-portable`` runs it. The models are the bundled one, and one with random weights in each
quantization of the catalog and as 32-bit floats: its texts change with the last bits of the logits.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from distilgpt2_cli.engine.llama.bindings import features
from distilgpt2_cli.machine.processor import name as processor_name
from distilgpt2_cli.models import demo
from distilgpt2_cli.models.catalog import CATALOG
from tests.support import gguf

EMULATED = ("Haswell", "Skylake-Client", "EPYC")
"""Processors with AVX2, by QEMU's names; it emulates no AVX-512, which this one may have."""
SHAPE = gguf.Shape(layers=3, width=512, heads=8, context=256, tokens=5001)

Results = dict[str, str]


def computed(folder: Path, emulated: str | None = None) -> Results:
    """Return what a process computes with the files of a folder, here or on another processor."""
    emulator = ["qemu-x86_64", "-cpu", emulated] if emulated else []
    command = [*emulator, sys.executable, "-m", "tests.portable.fingerprint", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stderr}"
    return dict(line.rsplit("\t", 1) for line in result.stdout.splitlines())


def main() -> int:
    """Print what was compared, and what differs; return 1 if anything does."""
    print(f"build: {features()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for quantization in ("F32", *(entry.quantization for entry in CATALOG)):
            gguf.write(folder / f"{quantization}.gguf", SHAPE, quantization=quantization)
        (folder / "demo.gguf").symlink_to(demo().path)
        here = computed(folder)
        print(f"{processor_name()}: {len(here)} results of {len(list(folder.iterdir()))} files")
        failed = False
        for emulated in EMULATED:
            there = computed(folder, emulated)
            differ = [what for what in here if there.get(what) != here[what]]
            print(f"{emulated}: {len(here) - len(differ)} of {len(here)} are the same", flush=True)
            print(*(f"  differs: {what}\n" for what in differ), sep="", end="")
            failed |= bool(differ)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
