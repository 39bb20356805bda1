"""What makes llama.cpp differ from exact arithmetic: ``python -m tests.peers.roundings``.

Prints two tables in Markdown. Both have differences of the logits as `tests.support.differences`
defines them: sizes of deviations are root mean squares, and the others the largest of a position.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from distilgpt2_cli.engine import Model
from distilgpt2_cli.engine.llama.bindings import lib
from distilgpt2_cli.models import demo
from tests.support import gguf, raw_llama
from tests.support.differences import relative, root_mean_square
from tests.support.llama_arithmetic import LlamaArithmetic
from tests.support.numpy_gpt2 import ReferenceGPT2

TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. " * 20
POSITIONS = 128
SHALLOW = gguf.Shape(layers=1, width=256, heads=4, context=64)
QUANTIZATIONS = (
    *("F32", "F16", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M"),
    *("Q5_0", "Q5_1", "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0"),
)
SHORT_TEXTS = 100, 4
CACHES = {"16-bit": lib.GGML_TYPE_F16, "32-bit": lib.GGML_TYPE_F32}

FLOATS_HEADER = (
    "| file, F32 | cache | llama.cpp's difference | its deviation | of GELU alone | "
    "of the cache alone | of both |\n|---|---|---|---|---|---|---|"
)
QUANTIZED_HEADER = (
    "| type | difference to exact | to NumPy with the roundings: median | below 1e-4 | "
    "deviation | that of the roundings |\n|---|---|---|---|---|---|"
)


def files_of_floats(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield files whose weights are 32-bit floats, with names."""
    yield "2 layers, width 64", gguf.write(folder / "tiny.gguf")
    yield "DistilGPT2's shape", gguf.write(folder / "large.gguf", gguf.DISTILGPT2)
    yield "demo", gguf.dequantize(demo().path, folder / "demo.gguf")


def floats_rows(name: str, path: Path) -> Iterator[str]:
    """Yield a row for each type of the cache."""
    with Model(path) as model:
        tokens = model.tokenize(TEXT)[:POSITIONS]
    reference = ReferenceGPT2.from_file(path)
    exact = reference.logits(tokens)

    def deviation(*, half_cache: bool, half_gelu: bool) -> str:
        arithmetic = LlamaArithmetic(half_cache=half_cache, half_gelu=half_gelu)
        logits = reference.computed_with(arithmetic).logits(tokens)
        return f"{root_mean_square(logits, exact):.2e}"

    gelu = deviation(half_cache=False, half_gelu=True)
    of_caches = {
        "16-bit": (
            deviation(half_cache=True, half_gelu=False),
            deviation(half_cache=True, half_gelu=True),
        ),
        "32-bit": ("0", gelu),
    }
    with raw_llama.loaded(path) as raw:
        for cache, kind in CACHES.items():
            ours = raw.evaluate(tokens, kind).logits
            size = f"{root_mean_square(ours, exact):.2e}"
            largest = f"{relative(ours, exact).max():.1e}"
            yield _row(name, cache, largest, size, gelu, *of_caches[cache])


def quantized_row(path: Path, quantization: str) -> str:
    """Return the row of a file with one layer, of many short texts."""
    reference = ReferenceGPT2.from_file(path)
    rounding = reference.computed_with(LlamaArithmetic())
    texts = np.random.default_rng(0).integers(0, gguf.END_OF_TEXT, SHORT_TEXTS).tolist()
    with raw_llama.loaded(path) as model:
        ours = np.concatenate([model.evaluate(text).logits for text in texts])
    exact = np.concatenate([reference.logits(text) for text in texts])
    rounded = np.concatenate([rounding.logits(text) for text in texts])
    differences = relative(ours, rounded)
    return _row(
        quantization,
        f"{relative(ours, exact).max():.1e}",
        f"{np.median(differences):.1e}",
        f"{np.mean(differences < 1e-4):.0%}",
        f"{root_mean_square(ours, exact):.2e}",
        f"{root_mean_square(rounded, exact):.2e}",
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(FLOATS_HEADER)
        for file, path in files_of_floats(folder):
            for row in floats_rows(file, path):
                print(row, flush=True)
        print(f"\n{QUANTIZED_HEADER}")
        whole = gguf.write(folder / "F32.gguf", SHALLOW)
        for quantization in QUANTIZATIONS:
            path = folder / f"{quantization}.gguf"
            if path != whole:
                gguf.quantize(whole, path, quantization)
            print(quantized_row(path, quantization), flush=True)


if __name__ == "__main__":
    main()
