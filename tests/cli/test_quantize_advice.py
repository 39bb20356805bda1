"""The advice of ``distil quantize --compare`` follows from figures, here from ones made up."""

from pathlib import Path

import numpy as np

from distilgpt2_cli.cli.perplexity.result import Cut, Result
from distilgpt2_cli.cli.quantize.advice import advice
from distilgpt2_cli.cli.quantize.result import Compared, Speed
from distilgpt2_cli.engine import Perplexity, Placement, ReferenceComparison
from distilgpt2_cli.engine.evaluate.probabilities import RowDivergences
from distilgpt2_cli.models import ModelFile

TOKENS = 10_000


def compared(
    name: str, size: int, speed: float | None, loss: float | None, *, divergence: float = 0.0
) -> Compared:
    """Return figures of a model whose tokens cost so many nats more; their spread is 0.1 nats."""
    comparison = None
    if loss is not None:
        comparison = ReferenceComparison()
        noise = np.tile([-0.1, 0.1], TOKENS // 2)  # a standard error of 0.001
        zeros = np.zeros(TOKENS)
        comparison.add(
            RowDivergences(
                kullback_leibler=zeros + divergence,
                same_top=np.ones(TOKENS, bool),
                logprobs=zeros - 3 - loss + noise,
                reference_logprobs=zeros - 3,
            )
        )
    figures = Perplexity(comparison=comparison)
    file = ModelFile(Path(f"{name}.gguf"), f"{name}.gguf", size)
    spread = None if speed is None else Speed(speed, speed - 5, speed + 5)
    return Compared(Result(file, figures, Placement(), Cut(512, 256, "sliding")), spread)


ORIGINAL = compared("F32", 400_000_000, 100, None)


def test_the_smallest_file_without_a_visible_loss() -> None:
    """Neither the perplexity nor the divergence is above two standard errors, here 0.002 nats."""
    good = compared("good", 90_000_000, 250, 0.0019, divergence=0.0019)
    large = compared("large", 130_000_000, 200, 0.0, divergence=0.0)
    costly = compared("costly", 80_000_000, 240, 0.0021)
    far = compared("far", 70_000_000, 230, 0.0, divergence=0.0021)
    better = compared("better", 95_000_000, 220, -0.01)
    assert advice([ORIGINAL, large, good, costly, far, better]) == [
        "good.gguf (90.0 MB) is the smallest file without a visible loss: on this text, its"
        " perplexity and divergence can't be told from those of F32.gguf.",
        "good.gguf (90.0 MB) is the fastest on this machine: 250 tokens/s, 2.50 times as fast as"
        " F32.gguf.",
    ]


def test_the_nearest_file_where_all_have_a_visible_loss() -> None:
    near = compared("near", 90_000_000, 90, 0.01, divergence=0.02)
    far = compared("far", 70_000_000, 104, 0.005, divergence=0.03)
    assert advice([ORIGINAL, far, near]) == [
        "Every file has a visible loss on this text. near.gguf (90.0 MB) is the nearest to"
        " F32.gguf: its perplexity differs by +1.01%.",
        "No file is certainly faster than F32.gguf on this machine.",
    ]


def test_the_smallest_of_the_files_whose_speeds_can_t_be_told_apart() -> None:
    large = compared("large", 130_000_000, 254, 0.0)
    small = compared("small", 90_000_000, 250, 0.0)
    slow = compared("slow", 80_000_000, 248, 0.0)
    assert advice([ORIGINAL, large, small, slow])[1] == (
        "small.gguf (90.0 MB) is the fastest on this machine within the spread of the measurements:"
        " 250 tokens/s, 2.50 times as fast as F32.gguf."
    )


def test_speeds_that_are_not_known() -> None:
    original = compared("F32", 400_000_000, None, None)
    assert len(advice([original, compared("a", 1, None, 0.0)])) == 1
