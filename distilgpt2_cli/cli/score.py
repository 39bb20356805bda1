"""``distil score``: how likely each token of a text is for the model."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..models import ModelFile
from ..terminal import Terminal
from .shared.csv_table import CsvTable
from .shared.model_options import ModelOptions
from .shared.offload import notice_loading
from .shared.options import FormatOptions, Parallel, Quiet, TextsOptions, check_parallel
from .shared.record import (
    finite,
    model_record,
    piece_record,
    placement_record,
    quoted,
    versions_record,
)
from .shared.texts import (
    InputLines,
    argument_text,
    in_batches,
    notice_file_name,
    notice_space,
    read_text,
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
    offload = model.offload
    input_lines = InputLines(terminal, text, "score") if text.lines else None
    prefix = argument_text(prefix, "--prefix")
    notice_file_name(terminal, prefix)
    notice_space(terminal, prefix, "--prefix")
    texts = input_lines or [(1, read_text(terminal, text))]
    file = model.locate(terminal)
    from ..engine import Scorer, open_evaluator

    with open_evaluator(
        file.path, threads=model.thread_count, sequences=parallel, offload=offload
    ) as evaluator:
        notice_loading(terminal, evaluator.placement)
        view = _View(terminal, file, evaluator, prefix, text.lines, csv=output.csv)
        scorer = Scorer(evaluator)
        results = in_batches(
            texts, lambda each: scorer.tokens(each, prefix), scorer.score_together, parallel
        )
        with terminal.counting_results("texts", None) as advance:
            for number, scored, _, result in results:
                if output.json:
                    view.write_record(number, scored, result)
                elif output.csv:
                    view.write_rows(number, scored, result)
                elif text.lines:
                    view.write_line(number, scored, result)
                else:
                    view.write_text(result)
                advance(1)
    if input_lines:
        input_lines.check()


_TOKEN_COLUMNS = ("position", "id", "text", "bytes", "logprob", "surprisal")
_LINE_COLUMNS = (
    "line", "text", "tokens", "logprob", "mean_logprob", "perplexity", "bits_per_byte",
)  # fmt: skip


class _View:
    """Shows the scores of one text after another."""

    def __init__(
        self,
        terminal: Terminal,
        file: ModelFile,
        evaluator: "Evaluator",
        prefix: str,
        lines: bool,
        *,
        csv: bool,
    ) -> None:
        self._terminal = terminal
        self._file = file
        self._model = evaluator.model
        self._placement = evaluator.placement
        self._prefix = prefix
        self._lines = lines
        if csv:
            self._table = CsvTable(terminal, _LINE_COLUMNS if lines else _TOKEN_COLUMNS)

    def write_text(self, score: "Score") -> None:
        """Show one text: shaded if the terminal has colours, otherwise as a table."""
        if self._terminal.stdout_has_colours:
            self._write_shaded(score)
        else:
            self._write_table(score)
        self._terminal.write(_summary(score))

    def write_line(self, number: int, text: str, score: "Score") -> None:
        """Print the figures of a text as a line."""
        self._terminal.write(
            f"{score.perplexity:.6g}\t{score.bits_per_byte:.6g}\t{score.logprob:.6f}"
            f"\t{len(score.tokens)}\t{number}\t{text}\n"
        )

    def write_rows(self, number: int, text: str, score: "Score") -> None:
        """Print the figures of a text as a row, or those of its tokens if it is the only text."""
        if self._lines:
            figures = {"line": number, "text": text, "tokens": len(score.tokens)}
            self._table.write([figures | _figures(score)])
        else:
            self._table.write(
                {"position": position} | record
                for position, record in enumerate(self._token_records(score))
            )

    def write_record(self, number: int, text: str, score: "Score") -> None:
        """Print the figures of a text and of each token as an object."""
        line = {"line": number} if self._lines else {}
        self._terminal.write_json(
            line
            | {
                "prefix": self._prefix,
                "text": text,
                "tokens": {"prefix": score.prefix_tokens, "text": len(score.tokens)},
                **_figures(score),
                "scores": list(self._token_records(score)),
                "model": model_record(self._file),
                "placement": placement_record(self._placement),
                "warnings": list(self._placement.warnings),
                "versions": versions_record(),
            }
        )

    def _token_records(self, score: "Score") -> Iterator[dict[str, Any]]:
        for token, logprob, bits in _rows(score):
            yield piece_record(self._model, token) | {"logprob": logprob, "surprisal": bits}

    def _write_table(self, score: "Score") -> None:
        rows = [
            (f"{logprob:>8.4f}", f"{bits:>8.4f}", quoted(self._model.piece(token)))
            for token, logprob, bits in _rows(score)
        ]
        self._terminal.write_table((" LOGPROB", "    BITS", "TOKEN"), rows)
        self._terminal.write("\n")

    def _write_shaded(self, score: "Score") -> None:
        from ..engine.text import TextStream
        from ..terminal.shading import legend, shade

        self._terminal.write(self._prefix)
        stream = TextStream()
        for token, _, bits in _rows(score):
            self._terminal.write(stream.feed(self._model.piece(token)), style=shade(bits))
        self._terminal.write(stream.finish() + "\n\nbits ")
        for meaning, style in legend():
            self._terminal.write(meaning, style=style)
        self._terminal.write("\n\nMost surprising:\n")
        self._write_places(score)
        self._terminal.write("\n")

    def _write_places(self, score: "Score", count: int = 5) -> None:
        """List the tokens with the highest surprisal, each with the text before it."""
        rows = list(_rows(score))
        places = sorted(range(len(rows)), key=lambda place: -rows[place][2])[:count]
        for place in places:
            token, _, bits = rows[place]
            before = b"".join(self._model.piece(each) for each in score.tokens[:place])
            context = (self._prefix + before.decode(errors="replace"))[-40:]
            after = f" after {quoted(context.encode())}" if context else ""
            self._terminal.write_line(
                f"{bits:8.2f} bits  {quoted(self._model.piece(token))}{after}"
            )


def _rows(score: "Score") -> Iterator[tuple[int, float, float]]:
    """Yield id, log-probability in nats and surprisal in bits of each token."""
    return zip(score.tokens, score.logprobs.tolist(), score.surprisals.tolist(), strict=True)


def _figures(score: "Score") -> dict[str, float | None]:
    return {
        "logprob": score.logprob,
        "mean_logprob": score.mean_logprob,
        "perplexity": finite(score.perplexity),
        "bits_per_byte": score.bits_per_byte,
    }


def _summary(score: "Score") -> str:
    return (
        f"tokens          {len(score.tokens)}\n"
        f"logprob         {score.logprob:.4f}\n"
        f"mean logprob    {score.mean_logprob:.4f}\n"
        f"perplexity      {score.perplexity:.4f}\n"
        f"bits per byte   {score.bits_per_byte:.4f}\n"
    )
