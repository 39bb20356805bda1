"""A model and the files made of it, measured on a text: the figures, and their table."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from ...models import ModelFile
from ...terminal import Terminal
from ...workers.run import Workers
from ..perplexity.measuring import Texts, measure
from ..perplexity.report import comparison_cells, name_cells
from ..perplexity.result import Result
from ..shared.model_options import ComputeOptions
from ..tasks.perplexity import PerplexityTask
from .result import Compared, Made, Speed

_TOKENS = 64  # generated for each measurement of the speed
_ROUNDS = 5


def compare_files(
    terminal: Terminal,
    source: ModelFile,
    made: Sequence[Made],
    texts: Texts,
    compute: ComputeOptions,
) -> list[Compared]:
    """Measure the model, and each file against it.

    Raises:
        DistilError: the text is too short or can't be read, or a file can't be loaded.
    """
    threads, offload = compute.thread_count, compute.offload
    task = PerplexityTask(Path(), None, None, None, "sliding", threads, offload, terminal)
    files = [source, *(each.file for each in made)]
    workers = Workers(1, threads)
    results = measure(terminal, files, texts, task, workers, compare=True, base=source)
    speeds = _speeds(terminal, results, compute)
    return [Compared(result, speed) for result, speed in zip(results, speeds, strict=True)]


def _speeds(
    terminal: Terminal, results: Sequence[Result], compute: ComputeOptions
) -> Sequence[Speed | None]:
    """Measure the speed of each file in turns, so that a busy moment is not one file's alone."""
    from ...engine.benchmark import PROMPT_TOKENS, measure_speeds

    tokens = min(_TOKENS, min(result.cut.window for result in results) - PROMPT_TOKENS)
    if tokens < 1:
        return [None] * len(results)
    found: list[list[float]] = [[] for _ in results]
    with terminal.counting("Measuring the speed", _ROUNDS * len(results)) as advance:
        for _ in range(_ROUNDS):
            for result, speeds in zip(results, found, strict=True):
                (turn,), _placement = measure_speeds(
                    result.file.path,
                    tokens=tokens,
                    threads=compute.thread_count,
                    repetitions=1,
                    offload=compute.offload,
                )
                speeds.append(turn.generation)
                advance(1)
    return [Speed(statistics.median(each), min(each), max(each)) for each in found]


_HEADER = ("MODEL", "SIZE", "PERPLEXITY", "RATIO", "DIVERGENCE", "SAME TOP", "TOKENS/S")


def write_comparison(terminal: Terminal, found: Sequence[Compared]) -> None:
    """Print the figures of all files as a table."""
    terminal.write_table(_HEADER, [_row(each) for each in found])


def _row(each: Compared) -> tuple[str, ...]:
    return (
        *name_cells(each.result),
        _ratio(each.result),
        *comparison_cells(each.result),
        "-" if each.speed is None else f"{each.speed.median:.0f}",
    )


def _ratio(result: Result) -> str:
    comparison = result.figures.comparison
    if comparison is None:
        return "-"
    value, error = comparison.ratio
    return f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}")
