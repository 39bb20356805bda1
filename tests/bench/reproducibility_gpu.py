"""What a GPU changes: ``python -m tests.bench.reproducibility_gpu`` prints it.

For GGUF files of DistilGPT2's shape: the largest difference between the logits of an evaluation on
the device and one on the CPU, and after how many tokens their greedy texts part.
"""

import tempfile
from pathlib import Path

import numpy as np

from distilgpt2_cli.engine import Context, Model, Placement, list_devices
from distilgpt2_cli.engine.placement import CPU_ONLY
from tests.support import gguf

QUANTIZATIONS = ("F32", "Q8_0", "Q4_K_M")
TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. " * 5
PROMPT_TOKENS = 64
GREEDY_TOKENS = 32


def evaluate(path: Path, placement: Placement) -> tuple[np.ndarray, list[int]]:
    """Return the logits after the prompt and each greedy token, and the greedy tokens."""
    with Model(path, placement) as model, Context(model, threads=1) as context:
        context.evaluate(model.tokenize(TEXT)[:PROMPT_TOKENS])
        rows, tokens = [np.array(context.copy_logits())], []
        for _ in range(GREEDY_TOKENS):
            tokens.append(int(rows[-1].argmax()))
            context.step([tokens[-1]])
            rows.append(np.array(context.copy_logits()))
        return np.array(rows), tokens


def common(first: list[int], second: list[int]) -> int:
    """Return how many tokens are the same before the first that is not."""
    same = [a == b for a, b in zip(first, second, strict=True)]
    return same.index(False) if False in same else len(same)


def main() -> None:
    """Print a line for each quantization and placement."""
    print(f"device: {list_devices()[0]}")
    for quantization in QUANTIZATIONS:
        with tempfile.TemporaryDirectory() as folder:
            path = gguf.write(
                Path(folder) / "model.gguf", gguf.DISTILGPT2, quantization=quantization
            )
            on_cpu, greedy = evaluate(path, CPU_ONLY)
            on_device, _ = evaluate(path, Placement("all"))
            for name, layers in (("all", "all"), ("all, again", "all"), ("3", 3)):
                logits, tokens = evaluate(path, Placement(layers))  # type: ignore[arg-type]
                same = common(tokens, greedy)
                # Beyond the first token that differs, the texts are not the same any more.
                row = slice(0, same + 1)
                print(
                    f"{quantization:7} layers {name:11}"
                    f" to the CPU {np.abs(logits[row] - on_cpu[row]).max():.2g},"
                    f" to the first run {np.abs(logits - on_device).max():.2g},"
                    f" greedy tokens as on the CPU {same} of {GREEDY_TOKENS}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
