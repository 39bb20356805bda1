"""``distil score --words``: a row for each word of a document, of lines, or of a table."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from ...errors import UsageError, no_text
from ...lines import MAX_LINE_BYTES
from ...models import sha256
from ...terminal import Terminal
from ...terminal.progress import SCORE
from ...workers.chunks import texts_to_evaluate
from ...workers.run import Run, Workers
from ..shared.lines import LineSource, OneText, Parse, shown
from ..shared.offload import notice_loading
from ..shared.record import model_record, quoted, versions_record
from ..shared.sources import can_be_read_again, check_readable, open_lines, source_name
from ..shared.texts import InputLines, read_parts, read_text
from ..tasks.lines import Cuts, Failure, Text
from ..tasks.words import Layout, Row, Rows, WordRows, WordsTask
from .options import OutputOptions, WordOptions, WordTexts
from .rows import ResumableTable, write_lines
from .tables import Table, TableRow, TableTexts, in_regions

_FILE_REMEDY = "Check the file name after --file."


class Sink(Protocol):
    """Takes the rows of words."""

    def add(self, rows: Sequence[Row], done: Mapping[str, Any]) -> None:
        """Write rows, and how far the work has come with them."""


@dataclass(frozen=True)
class _Input:
    """What is scored.

    Attributes:
        source: its texts; None for a document, which is read in parts.
        number: the name of the column with their numbers.
        kept: columns of the input.
        check: makes sure at the end that all of it was scored.
    """

    source: LineSource | OneText | None = None
    number: str = ""
    kept: tuple[str, ...] = ()
    check: Callable[[], None] = lambda: None


def score_words(
    terminal: Terminal,
    texts: WordTexts,
    words: WordOptions,
    output: OutputOptions,
    task: WordsTask,
    workers: Workers,
) -> None:
    """Write a row for each word.

    Raises:
        DistilError: the input can't be read, the model can't be loaded, or the rows can't be
            written.
    """
    table = output.table()
    with _opened(terminal, texts, words, task.parallel) as given:
        layout = Layout(given.number, given.kept, bool(words.regions), words.spillover, words.unit)
        layout.check()
        task = replace(task, layout=layout)
        if table is None:
            out = partial(_on_standard_output, terminal, texts, layout)
            _write(terminal, given, texts, task, workers, out)
        else:
            with table.opened(_made_of(texts, words, task), layout.columns) as part:
                try:
                    _write(terminal, given, texts, task, workers, lambda: part, table)
                except KeyboardInterrupt:
                    terminal.notice(f"The rows so far are in {table.part}: go on with --resume.")
                    raise
        given.check()


@contextmanager
def _opened(
    terminal: Terminal, texts: WordTexts, words: WordOptions, parallel: int
) -> Iterator[_Input]:
    chunk = texts_to_evaluate(parallel)
    separator = words.regions
    parse = partial(in_regions, separator=separator) if separator else None
    if words.column is not None:
        name = texts.text.source
        if name is None:
            raise UsageError(
                "--column reads a table from a file or standard input.",
                "Name the file with --file.",
            )
        check_readable(name, _FILE_REMEDY)
        with open_lines(terminal, name, _FILE_REMEDY, MAX_LINE_BYTES) as reader:
            table = Table(reader, source_name(name), words.by_columns)
            rows = TableTexts(terminal, table, words.column, words.joiner)
            if words.by:
                source = LineSource(rows, table, chunk, rows.text_of_words)
                yield _Input(source, "", ("row", *table.header), rows.check)
            else:
                source = LineSource(rows, table, chunk, _parse_rows(rows, parse))
                kept = tuple(each for each in table.header if each != words.column)
                yield _Input(source, "row", kept, rows.check)
    elif texts.text.lines:
        lines = InputLines(terminal, texts.text, "score --words")
        with lines.open() as reader:
            yield _Input(LineSource(lines, reader, chunk, parse), "line", (), lines.check)
    elif separator:
        text, cuts = in_regions(read_text(terminal, texts.text), separator)
        yield _Input(OneText(text, cuts))
    else:
        yield _Input()


def _parse_rows(rows: TableTexts, regions: Callable[[str], tuple[str, Cuts]] | None) -> Parse:
    def parse(found: list[TableRow]) -> tuple[str, Cuts]:
        text, cuts = rows.text_of(found)
        if regions is None:
            return text, cuts
        text, own = regions(text)
        return text, own._replace(kept=cuts.kept)

    return parse


def _write(
    terminal: Terminal,
    given: _Input,
    texts: WordTexts,
    task: WordsTask,
    workers: Workers,
    out: Callable[[], Sink],
    table: ResumableTable | None = None,
) -> None:
    """Write all rows to what ``out`` returns once the model is loaded."""
    source = given.source
    if source is None:
        _write_document(terminal, texts, task, out, table)
        return
    repeated = 0
    if table and table.done and isinstance(source, LineSource):
        terminal.notice(f"Resuming after {given.number or 'row'} {table.done['number']}.")
        repeated = source.pass_over(table.done["number"])
    run: Run[Text, WordRows | Failure] = Run(task, source, workers)
    with run:
        notice_loading(terminal, run.placement)
        sink = out()
        counting = terminal.counting if table else terminal.counting_results
        with counting("texts", None) as advance:
            for place, found in enumerate(shown(run, source)):
                if place >= repeated:
                    sink.add(found.rows, {"number": found.number})
                advance(1)


def _write_document(
    terminal: Terminal,
    texts: WordTexts,
    task: WordsTask,
    out: Callable[[], Sink],
    table: ResumableTable | None,
) -> None:
    from ...engine import stream_tokens
    from ...engine.evaluate.places import stream_places
    from ...engine.evaluate.words import parts_of, words_in

    rows = Rows(task.layout, 1, Cuts())
    parts = read_parts(terminal, texts.text)
    done = {"tokens": 0, "characters": 0, "bytes": 0}
    if table and table.done:
        done = {name: table.done[name] for name in done}
        rows.restore(table.done["rows"])
    progress = (
        terminal.progress(texts.name, texts.size, SCORE, done=done["bytes"])
        if table
        else terminal.counting_results("words", None)
    )
    with task.open() as work, progress as advance:
        notice_loading(terminal, work.placement)
        sink = out()
        model = work.evaluator.model
        before = model.tokenize(task.prefix) or [model.start_token]
        tokens = chain(before, stream_tokens(model, parts), [model.start_token])
        stream = stream_places(
            work.evaluator,
            tokens,
            work.scorer.stride,
            work.words.wanted,
            len(before) - 1 + done["tokens"],
        )
        goes_on = bool(task.prefix) or done["tokens"] > 0
        for text, part in parts_of(model, stream, goes_on=goes_on):
            spans = words_in(text)
            found = work.words.words(text, spans, part)
            made = rows.made(text, spans, found, done["characters"])
            size = len(text.encode())
            done["tokens"] += len(part.tokens)
            done["characters"] += len(text)
            done["bytes"] += size
            sink.add(made, {**done, "rows": rows.state})
            advance(size if table else len(made))
    if not done["tokens"]:
        raise no_text()


def _on_standard_output(terminal: Terminal, texts: WordTexts, layout: Layout) -> Sink:
    if texts.format == "text" and terminal.stdout_is_terminal:
        return _TerminalSink(terminal, layout)
    form = {"text": "tsv", "csv": "csv", "json": "jsonl"}[texts.format]
    return _LineSink(write_lines(terminal.write, form, layout.columns))


class _LineSink:
    """Rows as lines of a format."""

    def __init__(self, write: Callable[[Iterable[Row]], None]) -> None:
        self._write = write

    def add(self, rows: Sequence[Row], done: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._write(rows)


class _TerminalSink:
    """Rows as people read them: a table for each text, with the columns that say most."""

    _COLUMNS = ("region", "text", "tokens", "surprisal", "rank", "entropy")

    def __init__(self, terminal: Terminal, layout: Layout) -> None:
        self._terminal = terminal
        wanted = ((layout.number,) if layout.number else ()) + self._COLUMNS
        self._columns = [
            (name, layout.columns.index(name)) for name in wanted if name in layout.columns
        ]
        self._begun = False

    def add(self, rows: Sequence[Row], done: Mapping[str, Any]) -> None:  # noqa: ARG002
        if not rows:
            return
        if self._begun:
            self._terminal.write("\n")
        self._begun = True
        cells = [[_cell(name, row[place]) for name, place in self._columns] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        header = [
            name.upper().rjust(0 if name == "text" else width)
            for (name, _), width in zip(self._columns, widths, strict=True)
        ]
        self._terminal.write_table(
            header,
            [
                [
                    cell if name == "text" else cell.rjust(max(width, len(name)))
                    for (name, _), cell, width in zip(self._columns, row, widths, strict=True)
                ]
                for row in cells
            ],
        )


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "text":
        return quoted(value.encode())
    return f"{value:.4f}" if isinstance(value, float) else f"{value}"


def _made_of(texts: WordTexts, words: WordOptions, task: WordsTask) -> Mapping[str, Any]:
    """Return all that the rows depend on."""
    source = texts.text.source
    if source is None:
        given = hashlib.sha256((texts.text.argument or "").encode()).hexdigest()
    elif can_be_read_again(source):
        given = sha256(Path(source))
    else:
        given = ""
    return {
        "input_sha256": given,
        "model": model_record(task.file),
        "versions": versions_record(),
        "layout": asdict(task.layout),
        "words": asdict(words),
        "lines": texts.text.lines,
        "prefix": task.prefix,
        "window": task.window,
        "stride": task.stride,
        "parallel": task.parallel,
    }
