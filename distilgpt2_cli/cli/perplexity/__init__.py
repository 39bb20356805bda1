"""``distil perplexity``: how well models predict long texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...errors import UsageError
from ...terminal import Terminal
from ...workers.run import Workers
from ..shared.model_options import ComputeOptions, FilesOptions
from ..shared.options import (
    FormatOptions,
    Quiet,
    WindowOptions,
    WorkerCount,
    new_file_option,
    parse_workers,
)
from ..shared.plot import check_plot
from ..shared.sources import own_source
from ..tasks.perplexity import Method, PerplexityTask
from .measuring import Texts, measure
from .plot import write_plot
from .report import write_csv, write_json, write_report

EXAMPLES = """\b
Examples:
  distil perplexity book.txt
  distil perplexity --stride 1024 --json a.txt b.txt | jq .perplexity
  distil perplexity --quant Q2_K --quant Q4_K_M --quant Q8_0 book.txt
  distil perplexity --quant Q4_0 --quant Q8_0 --compare --plot sizes.svg book.txt
  distil perplexity --method llama.cpp --window 512 wiki.test.raw
"""


@dataclass(frozen=True)
class _Windows(WindowOptions):
    """How texts are cut into windows."""

    method: Annotated[
        Method, typer.Option(help="Overlapping windows, or those of llama.cpp's own program.")
    ] = "sliding"

    def __post_init__(self) -> None:
        """Refuse what can't be combined."""
        if self.stride is not None and self.method == "llama.cpp":
            raise UsageError(
                "--stride is for overlapping windows.", "Leave out --stride or --method."
            )


def perplexity(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", parser=own_source, help="Text files; - for standard input."
        ),
    ],
    *,
    which: FilesOptions,
    compute: ComputeOptions,
    windows: _Windows,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Show all figures of the comparison with the largest file."),
    ] = False,
    plot: Annotated[
        Path | None,
        new_file_option("Plot the figures against file size in this .svg, .pdf or .png file."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the plot file.")] = False,
    workers: WorkerCount = "auto",
    output: FormatOptions,
    quiet: Quiet = False,
) -> None:
    """Measure the perplexity of models on text files.

    Each token is scored once, given the tokens before it in its window. Each file is a separate
    document, and its first token is not scored. With several models, a table compares each with
    the largest file: Kullback-Leibler divergence, and agreement on the most likely token.
    --compare adds what llama.cpp's program prints with --kl-divergence: how the divergence and the
    change of each token's probability are distributed, and the ratio of the perplexities.
    """
    terminal = Terminal.system(quiet=quiet)
    if plot is not None:
        check_plot(plot, force)
    count = parse_workers(workers, several=len(files) > 1, what="several files")
    threads = compute.thread_count
    task = PerplexityTask(
        Path(),
        None,
        windows.window,
        windows.stride,
        windows.method,
        threads,
        compute.offload,
        terminal,
    )
    texts = Texts(files)
    models = which.locate(terminal)
    if compare and len(set(models)) < 2:
        raise UsageError(
            "--compare needs a model to compare with.", "Name two with --quant or --model."
        )
    texts.check_readable(len(models))
    results = measure(terminal, models, texts, task, Workers(count, threads), compare=compare)
    if output.json:
        write_json(terminal, results)
    elif output.csv:
        write_csv(terminal, results, compare=compare)
    else:
        write_report(terminal, results)
    if plot is not None:
        write_plot(plot, results, force=force)
