"""The tokens of a scored text: shaded, as a table, or as CSV."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ...terminal import Terminal
from ..shared.csv_table import CsvTable
from ..shared.offload import notice_loading
from ..shared.record import quoted
from ..tasks.score import ScoreTask, rows_of, score_record, token_records

if TYPE_CHECKING:
    from ...engine import Evaluator, Score

_TOKEN_COLUMNS = (
    "position", "id", "text", "bytes", "logprob", "surprisal", "rank", "entropy", "context",
)  # fmt: skip


def score_text(terminal: Terminal, task: ScoreTask, text: str) -> None:
    """Print the tokens of a text.

    Raises:
        DistilError: the model can't be loaded, or can't evaluate it.
    """
    with replace(task, detailed=True).open() as work:
        notice_loading(terminal, work.placement)
        with terminal.counting_results("texts", None):
            score = work.scorer.score(text, task.prefix)
        view = TokenView(terminal, work.evaluator, task.prefix)
        if task.format == "json":
            terminal.write_json(score_record(work, task, text, score))
        elif task.format == "csv":
            view.write_rows(score)
        else:
            view.write_text(score)


class TokenView:
    """Shows the scores of a text."""

    def __init__(self, terminal: Terminal, evaluator: "Evaluator", prefix: str) -> None:
        """Show nothing yet."""
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
        from ...engine.text import TextStream
        from ...terminal.shading import legend, shade

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
