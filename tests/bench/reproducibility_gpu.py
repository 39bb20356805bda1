"""What a GPU changes: ``python -m tests.bench.reproducibility_gpu`` prints it.

For GGUF files of DistilGPT2's shape and the demo model: the largest difference between the logits
of an evaluation on the device and one on the CPU, and after how many tokens their greedy texts
part.
"""

import tempfile
from pathlib import Path

import numpy as np

from distilgpt2_cli.engine import Context, Model, Offload, list_devices
from distilgpt2_cli.engine.llama.placement import CPU_ONLY
from distilgpt2_cli.models import demo
from tests.support import gguf

QUANTIZATIONS = ("F32", "Q8_0", "Q4_K_M")
TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. " * 5
PROMPT_TOKENS = 64
GREEDY_TOKENS = 32


def evaluate(path: Path, offload: Offload) -> tuple[np.ndarray, list[int]]:
    """Return the logits after the prompt and each greedy token, and the greedy tokens."""
    with Model(path, offload) as model, Context(model, threads=1) as context:
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


def report(name: str, path: Path) -> None:
    """Print a line for each placement of a file."""
    on_cpu, greedy = evaluate(path, CPU_ONLY)
    first, _ = evaluate(path, Offload("all"))
    again, _ = evaluate(path, Offload("all"))
    print(f"{name:7} all layers twice: {np.abs(again - first).max():.2g}")
    for offload in (Offload("all"), Offload(3)):
        logits, tokens = evaluate(path, offload)
        same = common(tokens, greedy)
        row = slice(0, same + 1)  # beyond the first token that differs, the texts do
        difference = np.abs(logits - on_cpu)[row].max()
        print(
            f"{name:7} {offload.layers} layers and none: {difference:.2g},"
            f" {same} of {GREEDY_TOKENS} greedy tokens the same",
            flush=True,
        )


def main() -> None:
    """Print what there is to say of each file."""
    print(f"device: {list_devices()[0]}")
    for quantization in QUANTIZATIONS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.gguf"
            report(quantization, gguf.write(path, gguf.DISTILGPT2, quantization=quantization))
    report("demo", demo().path)


if __name__ == "__main__":
    main()
