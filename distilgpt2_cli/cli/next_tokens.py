"""``distil next``: the most likely next tokens."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.options import GenerationOptions
from ..models import ModelFile
from ..terminal import Terminal
from ..terminal.layout import DEFAULT_WIDTH, GAP, cells
from ..terminal.shading import bar
from .shared.adapters import adapted
from .shared.csv_table import CsvTable
from .shared.model_options import ModelOptions
from .shared.offload import notice_loading
from .shared.options import FormatOptions, Quiet, TextsOptions, check_at_least_one
from .shared.record import candidate_record, model_record, placement_record, quoted, versions_record
from .shared.sampling_options import DistributionOptions, generation_options
from .shared.texts import InputLines, noticing_space, read_prompt

if TYPE_CHECKING:
    from ..engine import Context, Model, Observation

EXAMPLES = """\b
Examples:
  distil next "The capital of France is"
  distil next --top 3 --json "Once upon a" | jq -r '.top[].text'
  distil next --lines --csv < prompts.txt > next.csv
  distil next --temperature 0.7 --top-p 0.9 "It was a dark and stormy"
"""

_BAR_WIDTH = 30
_COLUMNS = (
    "id", "text", "bytes", "logprob", "probability", "sampled_logprob", "sampled_probability",
)  # fmt: skip


def next_tokens(
    *,
    text: TextsOptions,
    model: ModelOptions,
    top: Annotated[int, typer.Option(metavar="N", help="Number of tokens to show.")] = 10,
    distribution: DistributionOptions,
    output: FormatOptions,
    quiet: Quiet = False,
) -> None:
    """Show the most likely next tokens and their probabilities.

    PROBABILITY is that with which generate draws a token, after --temperature, --top-k, --top-p and
    --min-p; it is empty for a token that generate never draws. MODEL is the probability before
    them, and is left out if it is the same.
    """
    terminal = Terminal.system(quiet=quiet)
    check_at_least_one("top", top)
    chosen = replace(generation_options(distribution), max_tokens=1)
    offload = model.offload
    lines = InputLines(terminal, text, "next") if text.lines else None
    texts = noticing_space(terminal, lines or [(1, read_prompt(terminal, text))])
    file = model.locate(terminal)
    from ..engine import Context, observe_next
    from ..engine.llama.loading import load

    with (
        load(adapted(file), offload) as loaded,
        Context(loaded, threads=model.thread_count) as context,
    ):
        notice_loading(terminal, context.placement)
        if output.csv:
            table = CsvTable(terminal, ("line",) * text.lines + _COLUMNS)
        with terminal.counting_results("prompts", None) as advance:
            for count, (number, prompt) in enumerate(texts):
                tokens = loaded.tokenize(prompt)
                seen = observe_next(context, tokens, chosen, top)
                if output.json:
                    line = {"line": number} if text.lines else {}
                    record = _record(file, context, chosen, prompt, len(tokens), seen)
                    terminal.write_json(line | record)
                elif output.csv:
                    table.write({"line": number} | row for row in _rows(loaded, seen))
                else:
                    if count:
                        terminal.write("\n")
                    _show(terminal, loaded, seen)
                advance(1)
    if lines:
        lines.check()


def _show(terminal: Terminal, model: "Model", seen: "Observation") -> None:
    drawn = [_probability(candidate.sampled_logprob) for candidate in seen.top]
    drawn_texts = [f"{each:.4%}" if each else "" for each in drawn]
    own_texts = [f"{math.exp(candidate.logprob):.4%}" for candidate in seen.top]
    columns = {"PROBABILITY": [each.rjust(11) for each in drawn_texts]}
    others = (
        {"    MODEL": [each.rjust(9) for each in own_texts]} if own_texts != drawn_texts else {}
    )
    others["    ID"] = [f"{candidate.id:>6}" for candidate in seen.top]
    others["TOKEN"] = [quoted(model.piece(candidate.id, special=True)) for candidate in seen.top]
    if terminal.stdout_is_terminal:
        width = _bar_width(terminal, columns | others)
        columns[""] = [bar(each / max(drawn), width) for each in drawn]
    columns |= others
    terminal.write_table([*columns], list(zip(*columns.values(), strict=True)))
    if seen.left < model.vocabulary_size:
        terminal.write(f"\nSampling keeps {seen.left:,} of {model.vocabulary_size:,} tokens.\n")


def _bar_width(terminal: Terminal, columns: Mapping[str, Sequence[str]]) -> int:
    """Return how many columns of the terminal are left for the bars, within reason."""
    used = sum(max(map(cells, (name, *texts))) + len(GAP) for name, texts in columns.items())
    return max(min((terminal.columns or DEFAULT_WIDTH) - used, _BAR_WIDTH), 1)


def _probability(logprob: float | None) -> float:
    return 0.0 if logprob is None else math.exp(logprob)


def _rows(model: "Model", seen: "Observation") -> Iterator[dict[str, Any]]:
    """Yield for each token its JSON record, and its probabilities."""
    for candidate in seen.top:
        yield candidate_record(model, candidate) | {
            "probability": math.exp(candidate.logprob),
            "sampled_probability": _probability(candidate.sampled_logprob),
        }


def _record(
    file: ModelFile,
    context: "Context",
    chosen: GenerationOptions,
    prompt: str,
    prompt_tokens: int,
    seen: "Observation",
) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "tokens": {"prompt": prompt_tokens},
        "top": [candidate_record(context.model, candidate) for candidate in seen.top],
        "left": seen.left,
        "options": {
            field.name: getattr(chosen, field.name) for field in fields(DistributionOptions)
        },
        "model": model_record(file),
        "placement": placement_record(context.placement),
        "warnings": list(context.placement.warnings),
        "versions": versions_record(),
    }
