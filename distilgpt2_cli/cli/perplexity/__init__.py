"""``distil perplexity``: how well models predict long texts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ...errors import UsageError
from ...models import ModelFile
from ...terminal import Terminal
from ...terminal.progress import SCORE
from ...workers.chunks import Listed
from ...workers.run import Run, Workers
from ..shared.adapters import adapted
from ..shared.model_options import ComputeOptions, FilesOptions
from ..shared.offload import notice_loading
from ..shared.options import (
    FormatOptions,
    Quiet,
    WindowOptions,
    WorkerCount,
    new_file_option,
    parse_workers,
)
from ..shared.plot import check_plot
from ..shared.sources import can_be_read_again, check_read_once, check_readable, own_source
from ..tasks.perplexity import REMEDY, Measured, Method, PerplexityTask, TextFile
from .plot import write_plot
from .report import write_csv, write_json, write_report
from .result import Cut, Result

EXAMPLES = """\b
Examples:
  distil perplexity book.txt
  distil perplexity --stride 1024 --json a.txt b.txt | jq .perplexity
  distil perplexity --quant Q2_K --quant Q4_K_M --quant Q8_0 book.txt
  distil perplexity --quant Q4_0 --quant Q8_0 --compare --plot sizes.svg book.txt
  distil perplexity --method llama.cpp --window 512 wiki.test.raw
"""

_WORTH_BYTES = 2**16  # of text: reading them takes longer than the start of processes


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
    texts = _Texts(files)
    models = which.locate(terminal)
    if compare and len(set(models)) < 2:
        raise UsageError(
            "--compare needs a model to compare with.", "Name two with --quant or --model."
        )
    texts.check_readable(len(models))
    results = _measure(terminal, models, texts, task, Workers(count, threads), compare=compare)
    if output.json:
        write_json(terminal, results)
    elif output.csv:
        write_csv(terminal, results, compare=compare)
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

    def source(self, *, always: bool) -> Listed[TextFile]:
        """Return the files, each a chunk.

        Workers are worth it if they have much to read, or ``always``; not where a file can be read
        once only, and here.
        """
        size = self.size
        worth = size is not None and (always or size >= _WORTH_BYTES)
        files = [[TextFile(number, name)] for number, name in enumerate(self._names)]
        return Listed(files, worth_workers=worth)

    def values_in(self, folder: Path) -> list[Path]:
        """Return the files with the values of all tokens, in the order of the texts."""
        return [folder / str(number) for number in range(len(self._names))]


def _measure(
    terminal: Terminal,
    models: list[ModelFile],
    texts: _Texts,
    task: PerplexityTask,
    workers: Workers,
    *,
    compare: bool,
) -> list[Result]:
    """Measure the largest model alone, and each other one against it.

    Raises:
        UsageError: the texts are so short that no token can be scored.
    """
    largest = max(models, key=lambda file: file.size)
    results = {}
    for file in (largest, *(file for file in models if file != largest)):
        terminal.begin_waiting(f"Loading {file.name}…")
        reference = None if file == largest else largest
        against = adapted(reference) if reference else None
        own = replace(task, path=adapted(file), reference=against)
        with _folder(wanted=compare and reference is not None) as values:
            source = texts.source(always=workers.count is not None)
            run: Run[TextFile, Measured] = Run(replace(own, values=values), source, workers)
            with run:
                notice_loading(terminal, run.placement)
                result = _total(terminal, file, texts, run, task.method)
            if reference:
                result = _compared(terminal, result, reference, texts, values)
        results[file] = result
    return [results[file] for file in dict.fromkeys(models)]


@contextmanager
def _folder(*, wanted: bool) -> Iterator[Path | None]:
    """Make a temporary folder if it is wanted."""
    if not wanted:
        yield None
        return
    with TemporaryDirectory(prefix="distil-") as folder:
        yield Path(folder)


def _compared(
    terminal: Terminal, result: Result, reference: ModelFile, texts: _Texts, values: Path | None
) -> Result:
    """Return a result with what is known of the comparison with the reference."""
    if result.figures.comparison is None:
        terminal.notice(
            f"{result.file.name} and {reference.name} have different vocabularies, so they are not"
            " compared."
        )
        return result
    from ...engine.evaluate.comparing import spread

    found = spread(texts.values_in(values)) if values else None
    return replace(result, reference=reference, spread=found)


def _total(
    terminal: Terminal, file: ModelFile, texts: _Texts, run: Run[TextFile, Measured], method: Method
) -> Result:
    """Return the figures of all files together, and show those so far."""
    from ...engine import Perplexity

    total, start = Perplexity(), time.perf_counter()
    cut = None
    with terminal.progress(f"with {file.name}", texts.size, SCORE) as advance:
        for measured in run.results():
            total.include(measured.figures)
            cut = Cut(measured.window, measured.stride, method)
            advance(measured.figures.read_bytes, f"perplexity {total.value:.2f}")
    if run.processes > 1:  # whose own times add up to more
        total.seconds = time.perf_counter() - start
    if cut is None:
        raise UsageError(
            "The text is too short: none of its tokens can be scored.", "Use a longer text."
        )
    return Result(file, total, run.placement, cut)
