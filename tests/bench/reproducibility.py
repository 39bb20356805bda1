"""What the logits depend on: ``python -m tests.bench.reproducibility`` prints it.

For a GGUF of DistilGPT2's shape: the largest difference between the logits of one way to evaluate
a text and those of ``distil``'s own way with one sequence, 0 standing for the same bits.
"""

import tempfile
from pathlib import Path

import numpy as np

from distilgpt2_cli.engine import Context, Model
from tests.support import gguf

QUANTIZATIONS = ("F32", "Q8_0", "Q4_K_M", "Q4_0")
TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. " * 30
PROMPT_TOKENS = 500
ONE_BY_ONE = 20


def logits(
    model: Model,
    threads: int = 1,
    size: int | None = None,
    whole: int = PROMPT_TOKENS,
    sequences: int = 1,
    flash_attention: bool = False,
) -> np.ndarray:
    """Return the logits after a prompt and some tokens more, the first ``whole`` at once.

    With several sequences, all of them have the same tokens.
    """
    tokens = model.tokenize(TEXT)[: PROMPT_TOKENS + ONE_BY_ONE]
    everywhere = range(sequences)
    with Context(model, size, threads, sequences, flash_attention=flash_attention) as context:
        context.evaluate(tokens[:whole])
        for sequence in everywhere[1:]:
            context.copy(0, sequence)
        for token in tokens[whole:]:
            context.step([token] * sequences, everywhere)
        return np.array(context.copy_logits())


def differences(path: Path) -> dict[str, float]:
    """Return the largest difference of each way to distil's own, on one thread."""
    with Model(path) as model:
        ours = logits(model)
        ways = {
            "the same again": logits(model),
            "2 threads": logits(model, threads=2),
            "3 threads": logits(model, threads=3),
            "a smaller context": logits(model, size=PROMPT_TOKENS + ONE_BY_ONE),
            "prompt in two parts": logits(model, whole=PROMPT_TOKENS // 2),
            "flash attention, 1 thread": logits(model, flash_attention=True),
            "flash attention, 2 threads": logits(model, threads=2, flash_attention=True),
            "beside 1 other sequence": logits(model, sequences=2),
            "beside 15 other sequences": logits(model, sequences=16),
            "beside 15, with 2 threads": logits(model, threads=2, sequences=16),
        }
    return {way: float(np.abs(theirs - ours).max()) for way, theirs in ways.items()}


def main() -> None:
    """Print one line for each quantization and way."""
    for quantization in QUANTIZATIONS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.gguf"
            gguf.write(path, gguf.DISTILGPT2, quantization=quantization)
            for way, difference in differences(path).items():
                print(f"{quantization:7} {way:26} {difference:.2g}", flush=True)


if __name__ == "__main__":
    main()
