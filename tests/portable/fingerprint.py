"""What a build computes, to the last bit: ``python -m tests.portable.fingerprint FOLDER``.

Prints a line for each thing that each model file of the folder gives: its name, and the value.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from distilgpt2_cli.engine import (
    Context,
    GenerationOptions,
    Model,
    Request,
    Scorer,
    open_evaluator,
    open_generator,
)

PROMPT = "Once upon a time there was a little bird, who lived in an old oak near the river."
TOKENS = 16
SEEDS = range(1, 4)


def fingerprint(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each thing that a model computes, and its value with all of its bits."""
    with Model(path) as model:
        for threads in (1, 2):
            yield f"logits, threads: {threads}", _logits(model, threads)
    requests = [Request(PROMPT, seed) for seed in SEEDS]
    for parallel in (1, len(SEEDS)):
        options = GenerationOptions(max_tokens=TOKENS, ignore_eos=True)
        with open_generator(path, options, parallel=parallel) as generator:
            completions = generator.complete_all(requests)
            texts = ["".join(token.text for token in completion) for completion in completions]
        yield f"texts, at once: {parallel}", repr(texts)
    with open_evaluator(path) as evaluator:
        yield "figures", repr(Scorer(evaluator).score(PROMPT).logprobs.tolist())


def _logits(model: Model, threads: int) -> str:
    """Return the hash of the logits after a prompt, and after each of some tokens more."""
    tokens = model.tokenize(PROMPT)
    digest = hashlib.sha256()
    with Context(model, None, threads) as context:
        context.evaluate(tokens[:-4])
        digest.update(np.array(context.copy_logits()).tobytes())
        for token in tokens[-4:]:
            context.step([token], [0])
            digest.update(np.array(context.copy_logits()).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    for file in sorted(Path(sys.argv[1]).glob("*.gguf")):
        for what, value in fingerprint(file):
            print(file.stem, what, value, sep="\t", flush=True)
