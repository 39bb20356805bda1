"""``distil perplexity``: how well models predict long texts."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ...errors import UsageError
from ...models import ModelFile
from ...terminal import Terminal
from ...terminal.progress import SCORE
from ..shared.model_options import ComputeOptions, FilesOptions
from ..shared.offload import notice_loading
from ..shared.options import FormatOptions, Quiet, new_file_option
from ..shared.plot import check_plot
from ..shared.sources import (
    STDIN,
    can_be_read_again,
    check_read_once,
    check_readable,
    own_source,
    read_source,
)
from ..shared.texts import decoded
from .plot import write_plot
from .report import Result, write_csv, write_json, write_report

if TYPE_CHECKING:
    from ...engine import Evaluator, Offload, Perplexity, Window

EXAMPLES = """\b
Examples:
  distil perplexity book.txt
  distil perplexity --stride 1024 --json a.txt b.txt | jq .perplexity
  distil perplexity --quant Q2_K --quant Q4_K_M --quant Q8_0 book.txt
  distil perplexity --quant Q4_0 --quant Q8_0 --plot sizes.svg book.txt
  distil perplexity --method llama.cpp --window 512 wiki.test.raw
"""

_REMEDY = "Use text files, or - for standard input."

Method = Literal["sliding", "llama.cpp"]


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
    window: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tokens in a window.", show_default="the context window"),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Tokens from one window to the next.", show_default="half a window"
        ),
    ] = None,
    method: Annotated[
        Method, typer.Option(help="Overlapping windows, or those of llama.cpp's own program.")
    ] = "sliding",
    plot: Annotated[
        Path | None,
        new_file_option("Plot perplexity against file size in this .svg, .pdf or .png file."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the plot file.")] = False,
    output: FormatOptions,
    quiet: Quiet = False,
) -> None:
    """Measure the perplexity of models on text files.

    Each token is scored once, given the tokens before it in its window. Each file is a separate
    document, and its first token is not scored. With several models, a table compares each with
    the largest file: Kullback-Leibler divergence, and agreement on the most likely token.
    """
    terminal = Terminal.system(quiet=quiet)
    if stride is not None and method == "llama.cpp":
        raise UsageError("--stride is for overlapping windows.", "Leave out --stride or --method.")
    if plot is not None:
        check_plot(plot, force)
    offload = compute.offload
    texts = _Texts(terminal, files, method, stride)
    models = which.locate(terminal)
    texts.check_readable(len(models))
    results = _measure(terminal, models, texts, window, compute.thread_count, offload)
    if output.json:
        write_json(terminal, results)
    elif output.csv:
        write_csv(terminal, results)
    else:
        write_report(terminal, results)
    if plot is not None:
        write_plot(plot, results, force=force)


class _Texts:
    """The text files, cut into windows again for each model."""

    def __init__(
        self, terminal: Terminal, names: list[str], method: Method, stride: int | None
    ) -> None:
        self._terminal = terminal
        self._names = names
        self._method = method
        self._stride = stride

    def check_readable(self, times: int) -> None:
        """Make sure that every text can be read the given number of times.

        Raises:
            UsageError: standard input, or a pipe, would have to be read again.
            DistilError: a file can't be read.
        """
        check_read_once(self._names * times)
        for name in self._names:
            check_readable(name, _REMEDY)

    @property
    def size(self) -> int | None:
        """The bytes of all files; None if that is not known, as of a pipe."""
        if not all(map(can_be_read_again, self._names)):
            return None
        return sum(Path(name).stat().st_size for name in self._names)

    def windows(self, evaluator: "Evaluator") -> "Iterator[Window]":
        """Yield the windows of one text after another."""
        from ...engine import disjoint, sliding, stream_tokens

        model, size = evaluator.model, evaluator.size
        for name in self._names:
            parts = read_source(self._terminal, name, _REMEDY)
            source = "Standard input" if name == STDIN else name
            tokens = stream_tokens(model, decoded(parts, source))
            if self._method == "llama.cpp":
                yield from disjoint(tokens, size, model.added_start_token)
            else:
                stride = max(size // 2, 1) if self._stride is None else self._stride
                yield from sliding(tokens, size, stride)


def _measure(
    terminal: Terminal,
    models: list[ModelFile],
    texts: _Texts,
    window: int | None,
    threads: int | None,
    offload: "Offload",
) -> list[Result]:
    """Measure the largest model alone, and each other one against it.

    Raises:
        UsageError: the texts are so short that no token can be scored.
    """
    from ...engine import measure, open_evaluator

    largest = max(models, key=lambda file: file.size)
    others = [file for file in models if file != largest]
    options: dict[str, Any] = {"threads": threads, "offload": offload}
    terminal.begin_waiting(f"Loading {largest.name}…")
    with open_evaluator(largest.path, size=window, **options) as reference:
        notice_loading(terminal, reference.placement)
        alone = measure(reference, texts.windows(reference))
        last = _last(terminal, largest, texts, alone)
        results = {largest: Result(largest, last, reference.placement)}
        for file in others:
            terminal.begin_waiting(f"Loading {file.name}…")
            with open_evaluator(file.path, size=reference.size, **options) as evaluator:
                notice_loading(terminal, evaluator.placement)
                same = reference.model.shares_vocabulary(evaluator.model)
                windows = texts.windows(evaluator)
                found = measure(evaluator, windows, reference if same else None)
                last = _last(terminal, file, texts, found)
                results[file] = Result(file, last, evaluator.placement)
    return [results[file] for file in dict.fromkeys(models)]


def _last(
    terminal: Terminal, file: ModelFile, texts: _Texts, found: "Iterable[Perplexity]"
) -> "Perplexity":
    """Return the last of the figures, and show each as progress."""
    last = None
    seen = 0
    with terminal.progress(f"with {file.name}", texts.size, SCORE) as advance:
        for last in found:
            advance(last.read_bytes - seen, f"perplexity {last.value:.2f}")
            seen = last.read_bytes
    if last is None:
        raise UsageError(
            "The text is too short: none of its tokens can be scored.", "Use a longer text."
        )
    return last
