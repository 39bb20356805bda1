"""``distil features``: hidden states of texts, as features for other programs."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ...errors import UsageError
from ...terminal import Terminal
from ...workers.chunks import texts_to_evaluate
from ...workers.run import Run, Workers
from ..shared.lines import OneText, line_source, shown
from ..shared.model_options import ModelOptions
from ..shared.offload import notice_loading
from ..shared.options import (
    Json,
    Parallel,
    Quiet,
    TextsOptions,
    WorkerCount,
    check_parallel,
    output_option,
    parse_workers,
)
from ..shared.texts import InputLines, read_text
from ..tasks.features import Features, FeaturesTask
from ..tasks.lines import Failure, Text
from .options import OverflowOption, StatesOptions

EXAMPLES = """\b
Examples:
  distil features --pool mean "Replace me by any text you'd like."
  distil features --output states.npy "Replace me by any text you'd like."
  distil features --layer 3 --pool mean --json "Once upon a time"
  distil features --lines --pool mean --parallel 16 --output matrix.npy < texts.txt
  distil features --lines --json < texts.txt | jq -c .features
"""


def features(
    *,
    text: TextsOptions,
    model: ModelOptions,
    states: StatesOptions,
    overflow: OverflowOption = "error",
    output: Annotated[
        Path | None,
        output_option("Write to this .npy, .npz or .jsonl file."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output file.")] = False,
    parallel: Parallel = 1,
    workers: WorkerCount = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the hidden states of a text.

    They are those after the final layer norm, or with --layer those that a block gives. They are
    32-bit floats: a row for each token, or one row with --pool. Without --output, rows go
    to standard output as numbers separated by spaces; with --lines and no --pool, an empty line
    ends the rows of each text. The output file appears only when it is complete.
    """
    terminal = Terminal.system(quiet=quiet)
    check_parallel(parallel, text.lines)
    if json and output:
        raise UsageError(
            "--json and --output can't be combined.", "Use --output FILE.jsonl for JSON."
        )
    from .files import Origin, open_output

    count = parse_workers(workers, several=text.lines, what="--lines")
    matrix = text.lines and states.pool != "none"
    offload = model.offload
    input_lines = InputLines(terminal, text, "features") if text.lines else None
    single = None if input_lines else read_text(terminal, text)
    with open_output(
        terminal, output, json=json, lines=text.lines, matrix=matrix, force=force
    ) as sink:
        file = model.locate(terminal)
        task = FeaturesTask(
            file,
            states.pool,
            overflow,
            parallel,
            model.thread_count,
            offload,
            states.layer,
        )
        counting = terminal.counting if output else terminal.counting_results
        opened = (
            line_source(input_lines, texts_to_evaluate(parallel))
            if input_lines
            else nullcontext(OneText(single or ""))
        )
        with opened as source:
            run: Run[Text, Features | Failure] = Run(task, source, Workers(count, task.threads))
            with run:
                notice_loading(terminal, run.placement)
                origin = Origin(file, run.placement)
                with counting("texts", None) as advance:
                    for values in shown(run, source):
                        sink.write(values, origin)
                        advance(1)
    if input_lines:
        input_lines.check()
