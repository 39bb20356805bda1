"""Fifth step: held-out perplexity of GGUF files and of a trigram model, and samples.

Examples:
    python -m tools.demo_model.evaluate --data DIR --gguf DIR/types/*.gguf
    python -m tools.demo_model.evaluate --data DIR --gguf demo.gguf --trigram --samples 20
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from distilgpt2_cli.engine import GenerationOptions, open_generator
from tools.demo_model.inference import GgufModel
from tools.demo_model.ngram import KneserNeyModel
from tools.demo_model.vocabulary import END_OF_TEXT, VOCABULARY_SIZE

SAMPLE_PROMPT = "Once upon a time"
SAMPLE_TOKENS = 60


def read_texts(path: Path) -> list[list[int]]:
    """Return the stories of a file from ``prepare``, each between two <|endoftext|>."""
    tokens = np.load(path)["tokens"].astype(int)
    bounds = np.flatnonzero(tokens == END_OF_TEXT).tolist()
    return [tokens[start : end + 1].tolist() for start, end in pairwise(bounds)]


def perplexity(
    texts: list[list[int]], negative_log_likelihood: Callable[[Sequence[int]], float]
) -> float:
    """Return exp of the mean nats per token; the first token of a text is given."""
    nats = sum(negative_log_likelihood(text) for text in texts)
    return math.exp(nats / sum(len(text) - 1 for text in texts))


def report(label: str, path: Path, texts: list[list[int]], threads: int) -> None:
    """Print size and perplexity of one GGUF file."""
    model = GgufModel(path, threads)
    result = perplexity(texts, model.negative_log_likelihood)
    model.close()
    print(f"{label:24} {path.stat().st_size:>10} bytes  perplexity {result:.3f}", flush=True)


def print_samples(path: Path, count: int) -> None:
    """Print what ``distil generate`` does for each of the seeds 1 … ``count``."""
    options = GenerationOptions(max_tokens=SAMPLE_TOKENS)
    with open_generator(path, options) as generator:
        for seed in range(1, count + 1):
            text = "".join(token.text for token in generator.complete(SAMPLE_PROMPT, seed))
            print(f"{seed}. {SAMPLE_PROMPT}{text}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory from prepare")
    parser.add_argument("--gguf", type=Path, nargs="*", default=[], help="evaluate these files")
    parser.add_argument("--trigram", action="store_true", help="evaluate the trigram model")
    parser.add_argument(
        "--samples", type=int, default=0, help="seeds to sample from the first file"
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    texts = read_texts(args.data / "heldout.npz")
    print(f"held out: {len(texts)} stories, {sum(len(t) - 1 for t in texts)} predicted tokens")
    if args.trigram:
        training = read_texts(args.data / "train.npz")
        trigram = KneserNeyModel(training, 3, VOCABULARY_SIZE)
        result = perplexity(texts, trigram.negative_log_likelihood)
        print(f"trigram model with modified Kneser-Ney smoothing: perplexity {result:.3f}")
    for path in args.gguf:
        report(path.name, path, texts, args.threads)
    if args.samples:
        print_samples(args.gguf[0], args.samples)


if __name__ == "__main__":
    main()
