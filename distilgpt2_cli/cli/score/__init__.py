"""``distil score``: how likely each token of a text is for the model."""

from ...errors import UsageError
from ...terminal import Terminal
from ...workers.chunks import texts_to_evaluate
from ...workers.run import Run, Workers
from ..shared.csv_table import CsvTable
from ..shared.lines import line_source, shown
from ..shared.model_options import ModelOptions
from ..shared.offload import notice_loading
from ..shared.options import (
    FormatOptions,
    Parallel,
    Quiet,
    TextsOptions,
    WindowOptions,
    WorkerCount,
    check_parallel,
    parse_workers,
)
from ..shared.texts import InputLines, read_parts
from ..tasks.lines import Failure, Text
from ..tasks.score import LINE_COLUMNS, Scored, ScoreTask
from ..tasks.scoring import ScoringTask
from ..tasks.words import WordsTask
from .options import OutputOptions, Prefix, WordOptions, WordTexts, scored_prefix
from .rows import Format
from .tokens import score_text
from .words import score_words

EXAMPLES = """\b
Examples:
  distil score "The cat sat on the mat."
  distil score --prefix "The capital of France is" " Paris"
  distil score --json "To be, or not to be" | jq .perplexity
  distil score --lines --parallel 16 < sentences.txt | sort -n
  distil score --csv --file story.txt > surprisal.csv
  distil score --ranks --html ranks.html --file essay.txt
  distil score --words --spillover 2 --file story.txt > words.tsv
  distil score --words --column sentence --file items.csv --output words.parquet
"""


def score(
    *,
    text: TextsOptions,
    model: ModelOptions,
    prefix: Prefix = "",
    words: WordOptions,
    windows: WindowOptions,
    files: OutputOptions,
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
    With --words, each word has a row, and the probability that it ends there is part of its own.
    """
    terminal = Terminal.system(quiet=quiet)
    several = text.lines or words.column is not None
    check_parallel(parallel, several)
    count = parse_workers(workers, several=several, what="--lines")
    offload = model.offload
    input_lines = InputLines(terminal, text, "score") if text.lines and not words.words else None
    prefix = scored_prefix(terminal, prefix)
    if files.is_picture and (words.words or input_lines):
        given = "--words" if words.words else "--lines"
        raise UsageError("--ranks and --html show the tokens of one text.", f"Leave out {given}.")
    if files.output and not words.words:
        raise UsageError("--output is for words.", "Use it with --words.")
    written: Format = "json" if output.json else "csv" if output.csv else "text"
    texts = WordTexts(text, written)
    if files.resume:
        texts.check_resumable()
    parts = None if input_lines or words.words else read_parts(terminal, text)
    common = ScoringTask(
        model.locate(terminal),
        prefix,
        windows.window,
        windows.stride,
        parallel,
        model.thread_count,
        offload,
    )
    sharing = Workers(count, common.threads)
    if words.words:
        words_task = WordsTask(**vars(common), plain=words.plain_sum)
        score_words(terminal, texts, words, files, words_task, sharing)
        return
    task = ScoreTask(**vars(common), format=written)
    if input_lines:
        _score_lines(terminal, task, input_lines, sharing)
    elif parts is not None:
        score_text(terminal, task, parts, files)


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
