"""``distil score``: how likely each token of a text is for the model."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..terminal import Terminal
from ..workers.chunks import texts_to_evaluate
from ..workers.run import Run, Workers
from .shared.csv_table import CsvTable
from .shared.lines import line_source, shown
from .shared.model_options import ModelOptions
from .shared.offload import notice_loading
from .shared.options import (
    FormatOptions,
    Parallel,
    Quiet,
    TextsOptions,
    WorkerCount,
    check_parallel,
    parse_workers,
)
from .shared.record import quoted
from .shared.texts import InputLines, argument_text, notice_file_name, notice_space, read_text
from .tasks.lines import Failure, Text
from .tasks.score import (
    LINE_COLUMNS,
    Scored,
    ScoreTask,
    rows_of,
    score_record,
    token_records,
)

if TYPE_CHECKING:
    from ..engine import Evaluator, Score

EXAMPLES = """\b
Examples:
  distil score "The cat sat on the mat."
  distil score --prefix "The capital of France is" " Paris"
  distil score --json "To be, or not to be" | jq .perplexity
  distil score --lines --parallel 16 < sentences.txt | sort -n
  distil score --csv --file story.txt > surprisal.csv
"""


def score(
    *,
    text: TextsOptions,
    model: ModelOptions,
    prefix: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Text before the scored text; it is not scored itself.",
            show_default=False,
        ),
    ] = "",
    parallel: Parallel = 1,
    workers: WorkerCount = "auto",
    output: FormatOptions,
    quiet: Quiet = False,
) -> None:
    """Score each token of a text, given the tokens before it.

    The first token is scored given the prefix, or the model's start token if there is no prefix.
    On a terminal with colours, the text is shown, shaded by surprisal; otherwise a table. With
    --lines, each text gives a line, separated by tabs: perplexity, bits per byte, log-probability,
    tokens, the number of the line, and the text. --csv has the same rows, with a header.
    """
    terminal = Terminal.system(quiet=quiet)
    check_parallel(parallel, text.lines)
    count = parse_workers(workers, several=text.lines, what="--lines")
    offload = model.offload
    input_lines = InputLines(terminal, text, "score") if text.lines else None
    prefix = argument_text(prefix, "--prefix")
    notice_file_name(terminal, prefix)
    notice_space(terminal, prefix, "--prefix")
    single = None if input_lines else read_text(terminal, text)
    written: Literal["text", "csv", "json"] = (
        "json" if output.json else "csv" if output.csv else "text"
    )
    file = model.locate(terminal)
    task = ScoreTask(file, prefix, written, parallel, model.thread_count, offload)
    if input_lines is None:
        _score_one(terminal, task, single or "")
    else:
        _score_lines(terminal, task, input_lines, Workers(count, task.threads))


def _score_one(terminal: Terminal, task: ScoreTask, text: str) -> None:
    from ..engine import Scorer, open_evaluator

    with open_evaluator(task.file.path, threads=task.threads, offload=task.offload) as evaluator:
        notice_loading(terminal, evaluator.placement)
        view = _View(terminal, evaluator, task.prefix)
        with terminal.counting_results("texts", None):
            score = Scorer(evaluator).score(text, task.prefix)
        if task.format == "json":
            terminal.write_json(score_record(evaluator, task, text, score))
        elif task.format == "csv":
            view.write_rows(score)
        else:
            view.write_text(score)


def _score_lines(
    terminal: Terminal, task: ScoreTask, input_lines: InputLines, workers: Workers
) -> None:
    with line_source(input_lines, texts_to_evaluate(task.parallel)) as source:
        run: Run[Text, Scored | Failure] = Run(task, source, workers)
        with run:
            notice_loading(terminal, run.placement)
            if task.format == "csv":
                CsvTable(terminal, LINE_COLUMNS)
            with terminal.counting_results("texts", None) as advance:
                for scored in shown(run, source):
                    terminal.write(scored.text)
                    advance(1)
    input_lines.check()


_TOKEN_COLUMNS = ("position", "id", "text", "bytes", "logprob", "surprisal")


class _View:
    """Shows the scores of a text."""

    def __init__(self, terminal: Terminal, evaluator: "Evaluator", prefix: str) -> None:
        self._terminal = terminal
        self._model = evaluator.model
        self._prefix = prefix

    def write_text(self, score: "Score") -> None:
        """Show one text: shaded if the terminal has colours, otherwise as a table."""
        if self._terminal.stdout_has_colours:
            self._write_shaded(score)
        else:
            self._write_table(score)
        self._terminal.write(_summary(score))

    def write_rows(self, score: "Score") -> None:
        """Print a row for each token."""
        CsvTable(self._terminal, _TOKEN_COLUMNS).write(
            {"position": position} | record
            for position, record in enumerate(token_records(self._model, score))
        )

    def _write_table(self, score: "Score") -> None:
        rows = [
            (f"{logprob:>8.4f}", f"{bits:>8.4f}", quoted(self._model.piece(token)))
            for token, logprob, bits in rows_of(score)
        ]
        self._terminal.write_table((" LOGPROB", "    BITS", "TOKEN"), rows)
        self._terminal.write("\n")

    def _write_shaded(self, score: "Score") -> None:
        from ..engine.text import TextStream
        from ..terminal.shading import legend, shade

        self._terminal.write(self._prefix)
        stream = TextStream()
        for token, _, bits in rows_of(score):
            self._terminal.write(stream.feed(self._model.piece(token)), style=shade(bits))
        self._terminal.write(stream.finish() + "\n\nbits ")
        for meaning, style in legend():
            self._terminal.write(meaning, style=style)
        self._terminal.write("\n\nMost surprising:\n")
        self._write_places(score)
        self._terminal.write("\n")

    def _write_places(self, score: "Score", count: int = 5) -> None:
        """List the tokens with the highest surprisal, each with the text before it."""
        rows = list(rows_of(score))
        places = sorted(range(len(rows)), key=lambda place: -rows[place][2])[:count]
        for place in places:
            token, _, bits = rows[place]
            before = b"".join(self._model.piece(each) for each in score.tokens[:place])
            context = (self._prefix + before.decode(errors="replace"))[-40:]
            after = f" after {quoted(context.encode())}" if context else ""
            self._terminal.write_line(
                f"{bits:8.2f} bits  {quoted(self._model.piece(token))}{after}"
            )


def _summary(score: "Score") -> str:
    return (
        f"tokens          {len(score.tokens)}\n"
        f"logprob         {score.logprob:.4f}\n"
        f"mean logprob    {score.mean_logprob:.4f}\n"
        f"perplexity      {score.perplexity:.4f}\n"
        f"bits per byte   {score.bits_per_byte:.4f}\n"
    )
