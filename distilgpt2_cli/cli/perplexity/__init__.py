"""``distil perplexity``: how well models predict long texts."""

import time
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import UsageError
from ...models import ModelFile
from ...terminal import Terminal
from ...terminal.progress import SCORE
from ...workers.chunks import Listed
from ...workers.run import Run, Workers
from ..shared.model_options import ComputeOptions, FilesOptions
from ..shared.offload import notice_loading
from ..shared.options import (
    FormatOptions,
    Quiet,
    WorkerCount,
    new_file_option,
    parse_workers,
)
from ..shared.plot import check_plot
from ..shared.sources import can_be_read_again, check_read_once, check_readable, own_source
from ..tasks.perplexity import REMEDY, Measured, Method, PerplexityTask
from .plot import write_plot
from .report import Result, write_csv, write_json, write_report

if TYPE_CHECKING:
    from ...engine import Perplexity

EXAMPLES = """\b
Examples:
  distil perplexity book.txt
  distil perplexity --stride 1024 --json a.txt b.txt | jq .perplexity
  distil perplexity --quant Q2_K --quant Q4_K_M --quant Q8_0 book.txt
  distil perplexity --quant Q4_0 --quant Q8_0 --plot sizes.svg book.txt
  distil perplexity --method llama.cpp --window 512 wiki.test.raw
"""

_WORTH_BYTES = 2**16  # of text: reading them takes longer than the start of processes


@dataclass(frozen=True)
class _Windows:
    """How texts are cut into windows."""

    window: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tokens in a window.", show_default="the context window"),
    ] = None
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Tokens from one window to the next.", show_default="half a window"
        ),
    ] = None
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
    plot: Annotated[
        Path | None,
        new_file_option("Plot perplexity against file size in this .svg, .pdf or .png file."),
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
    texts = _Texts(files)
    models = which.locate(terminal)
    texts.check_readable(len(models))
    results = _measure(terminal, models, texts, task, Workers(count, threads))
    if output.json:
        write_json(terminal, results)
    elif output.csv:
        write_csv(terminal, results)
    else:
        write_report(terminal, results)
    if plot is not None:
        write_plot(plot, results, force=force)


class _Texts:
    """The text files, which are read again for each model."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def check_readable(self, times: int) -> None:
        """Make sure that every text can be read the given number of times.

        Raises:
            UsageError: standard input, or a pipe, would have to be read again.
            DistilError: a file can't be read.
        """
        check_read_once(self._names * times)
        for name in self._names:
            check_readable(name, REMEDY)

    @property
    def size(self) -> int | None:
        """The bytes of all files; None if that is not known, as of a pipe."""
        if not all(map(can_be_read_again, self._names)):
            return None
        return sum(Path(name).stat().st_size for name in self._names)

    def source(self, *, always: bool) -> Listed[str]:
        """Return the files, each a chunk.

        Workers are worth it if they have much to read, or ``always``; not where a file can be read
        once only, and here.
        """
        size = self.size
        worth = size is not None and (always or size >= _WORTH_BYTES)
        return Listed([[name] for name in self._names], worth_workers=worth)


def _measure(
    terminal: Terminal,
    models: list[ModelFile],
    texts: _Texts,
    task: PerplexityTask,
    workers: Workers,
) -> list[Result]:
    """Measure the largest model alone, and each other one against it.

    Raises:
        UsageError: the texts are so short that no token can be scored.
    """
    largest = max(models, key=lambda file: file.size)
    results = {}
    for file in (largest, *(file for file in models if file != largest)):
        terminal.begin_waiting(f"Loading {file.name}…")
        reference = None if file == largest else largest.path
        own = replace(task, path=file.path, reference=reference)
        source = texts.source(always=workers.count is not None)
        run: Run[str, Measured] = Run(own, source, workers)
        with run:
            notice_loading(terminal, run.placement)
            results[file] = Result(file, _total(terminal, file, texts, run), run.placement)
    return [results[file] for file in dict.fromkeys(models)]


def _total(
    terminal: Terminal, file: ModelFile, texts: _Texts, run: Run[str, Measured]
) -> "Perplexity":
    """Return the figures of all files, added in their order, and show those so far."""
    from ...engine import Perplexity

    total, seen, start = Perplexity(), 0, time.perf_counter()
    with terminal.progress(f"with {file.name}", texts.size, SCORE) as advance:
        for measured in run.results():
            so_far = deepcopy(total)
            so_far.include(measured.figures)
            if measured.is_last:
                total = so_far
            elif so_far.tokens:
                advance(so_far.read_bytes - seen, f"perplexity {so_far.value:.2f}")
                seen = so_far.read_bytes
    if run.processes > 1:  # whose own times add up to more
        total.seconds = time.perf_counter() - start
    if not total.tokens:
        raise UsageError(
            "The text is too short: none of its tokens can be scored.", "Use a longer text."
        )
    return total
