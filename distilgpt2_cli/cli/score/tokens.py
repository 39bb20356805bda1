"""The tokens of a scored text: shaded, as a table, or as CSV."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from itertools import count as counter
from typing import TYPE_CHECKING

from ...errors import no_text
from ...files import check_new_file
from ...terminal import Terminal
from ...terminal.shading import RANK_BOUNDS, bar, legend, rank_shade, shade
from ..shared.csv_table import CsvTable
from ..shared.offload import notice_loading
from ..shared.record import quoted
from ..tasks.score import ScoreTask, ScoreWork, rows_of, score_record, token_records
from .options import OutputOptions
from .ranks import TOP, check_size, rank_counts, write_page

if TYPE_CHECKING:
    from ...engine import Evaluator, Score

_BAR_WIDTH = 40
_TOKEN_COLUMNS = (
    "position", "id", "text", "bytes", "logprob", "surprisal", "rank", "entropy", "context",
)  # fmt: skip


def score_text(
    terminal: Terminal, task: ScoreTask, parts: Iterator[str], files: OutputOptions
) -> None:
    """Print the tokens of a text, which comes in parts, and write its page if one is wanted.

    Raises:
        UsageError: the text is empty, or too long for a page.
        DistilError: the model can't be loaded, or can't evaluate it; or the page can't be written.
    """
    if files.html:
        check_new_file(files.html, (".html",), force=files.force)
    with replace(task, detailed=True, top=TOP if files.html else 0).open() as work:
        notice_loading(terminal, work.placement)
        if task.format == "csv" and not files.html:
            _write_rows(terminal, work, task.prefix, parts)
            return
        text = "".join(parts)
        tokens = work.scorer.tokens(text, task.prefix)
        if files.html:
            check_size(len(tokens.scored))
        with terminal.counting_results("texts", None):
            (score,) = work.scorer.score_together([tokens])
        if files.html:
            write_page(files.html, work, task, score, force=files.force)
        if task.format == "json":
            terminal.write_json(score_record(work, task, text, score))
        elif task.format == "csv":
            _write_rows(terminal, work, task.prefix, iter([text]))
        else:
            view = TokenView(terminal, work.evaluator, task.prefix, ranks=files.ranks)
            view.write_text(score)


def _write_rows(terminal: Terminal, work: ScoreWork, prefix: str, parts: Iterator[str]) -> None:
    """Print a row for each token of a text of any size."""
    from ...engine import stream_tokens
    from ...engine.evaluate.places import stream_places

    model = work.evaluator.model
    before = model.tokenize(prefix) or [model.start_token]
    tokens = chain(before, stream_tokens(model, parts))
    stream = stream_places(work.evaluator, tokens, work.scorer.stride, work.wanted, len(before) - 1)
    table, position = None, counter()
    with terminal.counting_results("tokens", None) as advance:
        for some, places in stream:
            table = table or CsvTable(terminal, _TOKEN_COLUMNS)
            records = token_records(model, some, places)
            table.write({"position": next(position)} | record for record in records)
            advance(len(some))
    if table is None:
        raise no_text()


class TokenView:
    """Shows the scores of a text."""

    def __init__(
        self, terminal: Terminal, evaluator: "Evaluator", prefix: str, *, ranks: bool
    ) -> None:
        """Show nothing yet; with ``ranks`` shade by rank, and count ranks."""
        self._terminal = terminal
        self._model = evaluator.model
        self._prefix = prefix
        self._ranks = ranks

    def write_text(self, score: "Score") -> None:
        """Show one text: shaded if the terminal has colours, otherwise as a table."""
        ranks = score.places.ranks.tolist() if score.places else []
        if not self._terminal.stdout_has_colours:
            self._write_table(score, ranks)
        elif self._ranks:
            self._write_shaded(score, map(rank_shade, ranks))
        else:
            self._write_shaded(score, map(shade, score.surprisals.tolist()))
            self._terminal.write("bits ")
            for meaning, style in legend():
                self._terminal.write(meaning, style=style)
            self._terminal.write("\n\nMost surprising:\n")
            self._write_places(score)
            self._terminal.write("\n")
        if self._ranks:
            self._write_counts(ranks)
        self._terminal.write(_summary(score))

    def _write_table(self, score: "Score", ranks: Sequence[int]) -> None:
        header = (" LOGPROB", "    BITS", *((" RANK",) if self._ranks else ()), "TOKEN")
        rows = [
            (
                f"{logprob:>8.4f}",
                f"{bits:>8.4f}",
                *((f"{rank:>5}",) if self._ranks else ()),
                quoted(self._model.piece(token)),
            )
            for (token, logprob, bits), rank in zip(rows_of(score), ranks, strict=True)
        ]
        self._terminal.write_table(header, rows)
        self._terminal.write("\n")

    def _write_shaded(self, score: "Score", styles: Iterable[str]) -> None:
        from ...engine.text import TextStream

        self._terminal.write(self._prefix)
        stream = TextStream()
        for token, style in zip(score.tokens, styles, strict=True):
            self._terminal.write(stream.feed(self._model.piece(token)), style=style)
        self._terminal.write(stream.finish() + "\n\n")

    def _write_counts(self, ranks: Sequence[int]) -> None:
        """Print how many tokens have which ranks, and what that does not mean."""
        lowest = (1, *(bound + 1 for bound in RANK_BOUNDS))
        for (name, count), rank in zip(rank_counts(ranks), lowest, strict=True):
            share = count / len(ranks)
            self._terminal.write(f"{name:<11}", style=rank_shade(rank))
            shown = f" {count:>6} {share:>7.1%}  {bar(share, _BAR_WIDTH)}"
            self._terminal.write(shown.rstrip() + "\n")
        self._terminal.write("\nThis does not tell who wrote the text.\n\n")

    def _write_places(self, score: "Score", most: int = 5) -> None:
        """List the tokens with the highest surprisal, each with the text before it."""
        rows = list(rows_of(score))
        places = sorted(range(len(rows)), key=lambda place: -rows[place][2])[:most]
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
