"""Models measured on long texts: one alone, and each other one compared with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import UsageError
from ...models import ModelFile
from ...terminal import Terminal
from ...terminal.progress import SCORE
from ...workers.chunks import Listed
from ...workers.run import Run, Workers
from ..shared.adapters import adapted
from ..shared.offload import notice_loading
from ..shared.sources import can_be_read_again, check_read_once, check_readable
from ..tasks.perplexity import REMEDY, Measured, Method, PerplexityTask, TextFile
from .result import Cut, Result

_WORTH_BYTES = 2**16  # of text: reading them takes longer than the start of processes


class Texts:
    """The text files, which are read again for each model."""

    def __init__(self, names: list[str]) -> None:
        """Take the names of files, as `own_source` returns them."""
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


def measure(
    terminal: Terminal,
    models: list[ModelFile],
    texts: Texts,
    task: PerplexityTask,
    workers: Workers,
    *,
    compare: bool,
    base: ModelFile | None = None,
) -> list[Result]:
    """Measure one model alone, and each other one against it.

    Args:
        terminal: for progress and notices.
        models: the model files.
        texts: what they are measured on.
        task: how, of which the models are replaced.
        workers: the processes.
        compare: find all figures of the comparison.
        base: what is measured alone; by default the largest file.

    Raises:
        UsageError: the texts are so short that no token can be scored.
    """
    base = base or max(models, key=lambda file: file.size)
    results = {}
    for file in (base, *(file for file in models if file != base)):
        terminal.begin_waiting(f"Loading {file.name}…")
        reference = None if file == base else base
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
    terminal: Terminal, result: Result, reference: ModelFile, texts: Texts, values: Path | None
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
    terminal: Terminal, file: ModelFile, texts: Texts, run: Run[TextFile, Measured], method: Method
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
