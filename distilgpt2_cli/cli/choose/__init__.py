"""``distil choose``: which of several texts a model holds for the most likely one."""

from typing import Annotated

import typer

from ...errors import UsageError
from ...signals import results_pending
from ...terminal import Terminal
from ...terminal.progress import Advance
from ...workers.chunks import items_to_evaluate
from ...workers.run import Run, Workers
from ..shared.adapters import adapted
from ..shared.lines import LineSource, line_source, shown
from ..shared.model_options import ModelOptions
from ..shared.offload import notice_loading
from ..shared.options import (
    FormatOptions,
    Quiet,
    TextOptions,
    WorkerCount,
    check_at_least_one,
    parse_workers,
    source_option,
)
from ..shared.texts import InputLines, argument_text
from ..tasks.choose import ChooseTask, Judged
from ..tasks.lines import Failure, Text
from .output import Output

EXAMPLES = """\b
Examples:
  distil choose --file items.jsonl
  distil choose --json --file hellaswag_val.jsonl | jq 'select(.accuracies)'
  distil choose --by UID --file blimp.jsonl
  distil choose --csv --parallel 16 < winogrande.jsonl > scores.csv
"""


def choose(
    *,
    file: Annotated[
        str | None,
        source_option("Read the items from this file; - for standard input.", "--file", "-f"),
    ] = None,
    model: ModelOptions,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="FIELD",
            help="Show accuracies for each value of this field too.",
            show_default=False,
        ),
    ] = None,
    delimiter: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Text between context and choice, where neither has white space.",
            show_default="a space",
        ),
    ] = " ",
    parallel: Annotated[
        int,
        typer.Option(
            "--parallel",
            metavar="N",
            help="Choices to evaluate at once: faster, but slightly different figures.",
        ),
    ] = 1,
    workers: WorkerCount = "auto",
    output: FormatOptions,
    quiet: Quiet = False,
) -> None:
    """Find the most likely choice of each item, and how often it is right.

    Each line is an item in JSON: {"context": "...", "choices": ["...", "..."], "gold": 0}, where
    gold is the number of the right choice, from 0. Lines of HellaSwag, WinoGrande and BLiMP are
    read as they are. Accuracies are shown by several rules: the log-probability of the choice,
    also per token and per byte, and llama.cpp's rules for HellaSwag and WinoGrande.
    """
    terminal = Terminal.system(quiet=quiet)
    check_at_least_one("parallel", parallel)
    count = parse_workers(workers, several=True, what="several items")
    if file is None and terminal.stdin_is_terminal:
        raise UsageError("There are no items.", "Name a file with --file.")
    items = InputLines(terminal, TextOptions(file=file), "choose", too_long="Shorten it.")
    delimiter = argument_text(delimiter, "--delimiter")
    found = model.locate(terminal)
    task = ChooseTask(adapted(found), delimiter, parallel, model.thread_count, model.offload)
    shown_as = Output(terminal, output, found, by)
    with line_source(items, items_to_evaluate(parallel)) as source:
        run: Run[Text, Judged | Failure] = Run(task, source, Workers(count, task.threads))
        with run:
            notice_loading(terminal, run.placement)
            interrupt = _judge(terminal, run, source, shown_as)
    if interrupt and not shown_as.accuracies.items:
        raise interrupt
    shown_as.finish(run.placement, interrupted=interrupt is not None)
    if interrupt:
        raise interrupt
    items.check()


def _judge(
    terminal: Terminal, run: Run[Text, Judged | Failure], source: LineSource, output: Output
) -> KeyboardInterrupt | None:
    """Show each item when it is scored; return the interrupt, None if there was none."""

    def add(judged: Judged, advance: Advance) -> None:
        output.add(judged)
        advance(1)

    try:
        with terminal.counting("items", None) as advance, results_pending():
            for judged in shown(run, source):
                add(judged, advance)
    except KeyboardInterrupt as interrupt:
        return interrupt
    return None
