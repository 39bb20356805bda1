"""Third step: train a GPT-2 on the labelled stories.

Example:
    python -m tools.demo_model.train --data DIR --out DIR/model.pt
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tools.demo_model.model import GPT2, ModelShape
from tools.demo_model.vocabulary import END_OF_TEXT, VOCABULARY_SIZE

TOKENS_PER_BATCH = 8192
SHORT_ROW = 256
# Every so many batches have rows of the whole context, so that all positions are trained.
FULL_ROW_PERIOD = 4
MIN_TOKEN_COUNT = 3
QUANTIZED_SHARE = 0.35
EVALUATION_BATCH = 32


class StoryRows:
    """Endless batches of rows; each row starts with a story and is filled with the next ones.

    Stories come in a new random order in every pass. Half of the rows leave out the first
    <|endoftext|>, so that the model also knows texts that start without it.
    """

    def __init__(self, path: Path, seed: int) -> None:
        """Read a file from ``prepare``."""
        data = np.load(path)
        self.tokens = torch.from_numpy(data["tokens"].astype(np.int64))
        self.candidates = torch.from_numpy(data["candidates"].astype(np.int64))
        self.probabilities = torch.from_numpy(data["probabilities"])
        marks = torch.nonzero(self.tokens == END_OF_TEXT).squeeze(1).tolist()
        # A story is its tokens with the <|endoftext|> before it.
        self.bounds = list(pairwise(marks))
        self._generator = torch.Generator().manual_seed(seed)
        self._order: list[int] = []

    def _next_story(self) -> int:
        if not self._order:
            self._order = torch.randperm(len(self.bounds), generator=self._generator).tolist()
        return self._order.pop()

    def row(self, length: int) -> Tensor:
        """Return indices [length + 1] into the token stream."""
        leave_out_first = int(torch.randint(2, (1,), generator=self._generator))
        parts: list[Tensor] = []
        missing = length + 1 + leave_out_first
        while missing > 0:
            story = self._next_story()
            start, end = self.bounds[story]
            part = torch.arange(start, end)[:missing]
            if len(part) < end - start:
                self._order.append(story)  # a story that was cut starts the next row
            parts.append(part)
            missing -= len(part)
        return torch.cat(parts)[leave_out_first:]

    def batch(self, length: int) -> Tensor:
        """Return indices [TOKENS_PER_BATCH / length, length + 1]."""
        return torch.stack([self.row(length) for _ in range(TOKENS_PER_BATCH // length)])


def soft_loss(model: GPT2, stories: StoryRows, indices: Tensor) -> Tensor:
    """Return the mean cross-entropy (nats) against the labels of ``indices`` [B, T + 1]."""
    log_probabilities = model(model.rows_of(stories.tokens[indices[:, :-1]]))
    targets = indices[:, 1:]
    candidates = model.rows_of(stories.candidates[targets])
    log_probabilities = log_probabilities.gather(-1, candidates)
    log_probabilities = log_probabilities - model.log_multiplicity[candidates]
    loss: Tensor = -(stories.probabilities[targets] * log_probabilities).sum(-1).mean()
    return loss


@torch.no_grad()
def held_out_loss(model: GPT2, stories: StoryRows) -> float:
    """Return nats per token of each story, its <|endoftext|> before given and after counted."""
    model.eval()
    total, count = 0.0, 0
    for first in range(0, len(stories.bounds), EVALUATION_BATCH):
        bounds = stories.bounds[first : first + EVALUATION_BATCH]
        length = max(end - start for start, end in bounds)
        inputs = torch.full((len(bounds), length), END_OF_TEXT)
        targets = torch.full((len(bounds), length), -1)
        for i, (start, end) in enumerate(bounds):
            inputs[i, : end - start] = stories.tokens[start:end]
            targets[i, : end - start] = stories.tokens[start + 1 : end + 1]
        counted = targets >= 0
        target_rows = model.rows_of(targets.clamp(min=0))
        chosen = model(model.rows_of(inputs)).gather(-1, target_rows.unsqueeze(-1)).squeeze(-1)
        chosen = chosen - model.log_multiplicity[target_rows]
        total -= float(chosen[counted].sum())
        count += int(counted.sum())
    model.train()
    return total / count


def new_model(stories: StoryRows, shape: ModelShape, dropout: float) -> GPT2:
    """Return an untrained model over the tokens that occur often enough in ``stories``."""
    counts = torch.bincount(stories.tokens, minlength=VOCABULARY_SIZE)
    token_ids = torch.nonzero(counts >= MIN_TOKEN_COUNT).squeeze(1)
    return GPT2(shape, token_ids, VOCABULARY_SIZE - len(token_ids), dropout)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 5 % of the steps, at least 40, then a cosine to 2 % of the peak."""
    warmup = max(40, steps // 20)
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def save_checkpoint(path: Path, model: GPT2, step: int, loss: float) -> None:
    """Save the weights and what is needed to build the model again."""
    temporary = path.with_suffix(".partial")
    shape = vars(model.shape)
    torch.save(
        {"shape": shape, "weights": model.state_dict(), "step": step, "loss": loss}, temporary
    )
    temporary.rename(path)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory from prepare")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--steps", type=int, default=2200, help=f"of {TOKENS_PER_BATCH} tokens")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="peak")
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--evaluate-every", type=int, default=100, help="steps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(args.seed)

    stories = StoryRows(args.data / "train.npz", args.seed)
    held_out = StoryRows(args.data / "heldout.npz", args.seed)
    model = new_model(stories, ModelShape(args.width, args.layers, args.heads), args.dropout)
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{len(model.token_ids)} tokens in use, {size} parameters in training", flush=True)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": args.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
        fused=True,
    )
    started, best = time.monotonic(), math.inf
    quantize_from = round(args.steps * (1 - QUANTIZED_SHARE))
    for step in range(args.steps):
        if step == quantize_from:
            model.set_quantized(True)
            best = math.inf  # only weights trained for rounding are worth keeping from here on
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.learning_rate)
        is_full = step % FULL_ROW_PERIOD == FULL_ROW_PERIOD - 1
        indices = stories.batch(model.shape.context_length if is_full else SHORT_ROW)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = soft_loss(model, stories, indices)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % args.evaluate_every == 0 or step + 1 == args.steps:
            nats = held_out_loss(model, held_out)
            seconds = time.monotonic() - started
            print(
                f"step {step + 1}: training loss {loss.item():.3f}, held-out loss {nats:.4f}, "
                f"perplexity {math.exp(nats):.3f}, {seconds:.0f} s",
                flush=True,
            )
            if nats < best:
                best = nats
                save_checkpoint(args.out, model, step + 1, nats)


if __name__ == "__main__":
    main()
