"""``distil quantize`` beside llama.cpp's ``llama-imatrix`` and ``llama-quantize``.

    python -m tests.peers.llama_quantize [MODEL.gguf... TEXT]

By default small models of several kinds, and the same sentences in many scripts. One line for each
model and quantization: how many tensors have the same type and the same bytes.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from distilgpt2_cli.engine.llama import log
from distilgpt2_cli.models import demo
from tests.bench.processes import DISTIL
from tests.bench.programs import program
from tests.peers.texts import ODDITIES, SCRIPTS
from tests.support import gguf
from tests.support.gguf_tensors import read
from tests.support.trained import trained_model

WINDOW = 512
WITH_IMPORTANCE = ("Q4_K_M", "Q3_K_S", "Q4_0", "Q5_1", "Q2_K")
QUANTIZATIONS = (*WITH_IMPORTANCE, "Q6_K", "Q8_0", "F16")


def models(folder: Path) -> Iterator[Path]:
    """Yield 32-bit files of the shapes and architectures that quantizing distinguishes."""
    wide = gguf.Shape(layers=4, width=256, heads=4, context=WINDOW)
    yield gguf.write(folder / "wide.gguf", wide)
    yield gguf.write(
        folder / "with-start-token.gguf",
        wide,
        without=("tokenizer.ggml.add_bos_token",),
        add=lambda writer: writer.add_add_bos_token(True),
    )
    yield gguf.write(folder / "narrow.gguf", gguf.Shape(width=96, heads=3, context=WINDOW))
    log.start()
    yield gguf.dequantize(demo().path, folder / "demo.gguf")
    yield gguf.dequantize(trained_model(), folder / "SmolLM2.gguf")


def lines(model: Path, text: Path, folder: Path) -> Iterator[str]:
    """Yield a line for each quantization, with and without an importance matrix."""
    matrix = folder / "imatrix.gguf"
    context = ("-b", WINDOW, "-c", WINDOW, "--no-ppl")
    _run(program("llama-imatrix"), "-m", model, "-f", text, "-o", matrix, *context)
    with_text = _ours(model, WITH_IMPORTANCE, folder / "with", "--imatrix", text)
    without = _ours(model, QUANTIZATIONS, folder / "without")
    theirs = folder / "theirs.gguf"
    for name in WITH_IMPORTANCE:
        _run(program("llama-quantize"), "--imatrix", matrix, model, theirs, name)
        yield f"{model.stem} | {name} | imatrix | {same(with_text[name], theirs)}"
    for name in QUANTIZATIONS:
        _run(program("llama-quantize"), model, theirs, name)
        yield f"{model.stem} | {name} | none | {same(without[name], theirs)}"
    _run(program("llama-quantize"), "--pure", model, theirs, "Q4_K_M")
    pure = _ours(model, ["Q4_K_M"], folder / "pure", "--pure")["Q4_K_M"]
    yield f"{model.stem} | Q4_K_M --pure | none | {same(pure, theirs)}"


def _ours(model: Path, names: Sequence[str], folder: Path, *arguments: object) -> dict[str, Path]:
    """Return what distil makes, by quantization."""
    quantizations = [each for name in names for each in ("--quant", name)]
    options = ("--to", folder, "--json", "--quiet", "--force", *quantizations, *arguments)
    printed = _run(DISTIL[0], "quantize", model, *options)
    records = map(json.loads, printed.splitlines())
    return {record["quantization"]: Path(record["path"]) for record in records}


def same(ours: Path, theirs: Path) -> str:
    """Return how many tensors are the same, and raise if there is another one.

    Raises:
        AssertionError: a tensor has another type, or other bytes.
    """
    mine, other = read(ours)[1], read(theirs)[1]
    assert mine.keys() == other.keys()
    different = [
        name
        for name, tensor in mine.items()
        if tensor.type != other[name].type or not np.array_equal(tensor.data, other[name].data)
    ]
    assert not different, (ours.name, different)
    return f"{len(mine)} of {len(mine)} tensors the same"


def _run(*command: object) -> str:
    result = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return result.stdout


def main() -> None:
    """Print the table."""
    print("model | quantization | importance | tensors")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 2:
            *chosen, text = map(Path, sys.argv[1:])
        else:
            chosen, text = [], folder / "text.txt"
            text.write_text("\n".join((*SCRIPTS, *ODDITIES)), encoding="utf-8")
        for model in chosen or models(folder):
            for line in lines(model, text, folder):
                print(line, flush=True)


if __name__ == "__main__":
    main()
