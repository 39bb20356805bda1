"""``distil next``: the most likely next tokens."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.options import GenerationOptions
from ..models import ModelFile
from ..terminal import Terminal
from ..terminal.shading import bar
from .shared.csv_table import CsvTable
from .shared.model_options import ModelOptions
from .shared.offload import notice_loading
from .shared.options import FormatOptions, Quiet, TextsOptions, check_at_least_one
from .shared.record import candidate_record, model_record, placement_record, quoted, versions_record
from .shared.sampling_options import DistributionOptions, generation_options
from .shared.texts import InputLines, read_prompt

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
_UNFILTERED = DistributionOptions(temperature=1.0, top_k=0)  # what the model itself says


def next_tokens(
    *,
    text: TextsOptions,
    model: ModelOptions,
    top: Annotated[int, typer.Option(metavar="N", help="Number of tokens to show.")] = 10,
    distribution: DistributionOptions = _UNFILTERED,
    output: FormatOptions,
    quiet: Quiet = False,
) -> None:
    """Show the most likely next tokens and their probabilities.

    With a temperature or a filter, SAMPLED is the probability with which generate draws each
    token; it is empty for a token that generate never draws.
    """
    terminal = Terminal.system(quiet=quiet)
    check_at_least_one("top", top)
    chosen = replace(generation_options(distribution), max_tokens=1)
    offload = model.offload
    texts = InputLines(terminal, text, "next") if text.lines else [(1, read_prompt(terminal, text))]
    file = model.locate(terminal)
    from ..engine import Context, observe_next
    from ..engine.llama.loading import load

    with (
        load(file.path, offload) as loaded,
        Context(loaded, threads=model.thread_count) as context,
    ):
        notice_loading(terminal, context.placement)
        if output.csv:
            table = CsvTable(terminal, ("line",) * text.lines + _COLUMNS)
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
                _show(terminal, context, seen, filtered=distribution != _UNFILTERED)
    if isinstance(texts, InputLines):
        texts.check()


def _show(terminal: Terminal, context: "Context", seen: "Observation", *, filtered: bool) -> None:
    header, rows = ["PROBABILITY"], []
    if filtered:
        header.append("  SAMPLED")
    if terminal.stdout_is_terminal:
        header.append("")
    highest = math.exp(seen.top[0].logprob)
    for candidate in seen.top:
        probability = math.exp(candidate.logprob)
        row = [f"{probability:>11.4%}"]
        if filtered:
            after = candidate.sampled_logprob
            row.append("" if after is None else f"{math.exp(after):>9.4%}")
        if terminal.stdout_is_terminal:
            row.append(bar(probability / highest, _BAR_WIDTH))
        piece = context.model.piece(candidate.id, special=True)
        rows.append([*row, f"{candidate.id:>6}", quoted(piece)])
    terminal.write_table([*header, "    ID", "TOKEN"], rows)
    if filtered:
        terminal.write(f"\nSampling keeps {seen.left} of {context.model.vocabulary_size} tokens.\n")


def _rows(model: "Model", seen: "Observation") -> Iterator[dict[str, Any]]:
    """Yield for each token its JSON record, and its probabilities."""
    for candidate in seen.top:
        after = candidate.sampled_logprob
        yield candidate_record(model, candidate) | {
            "probability": math.exp(candidate.logprob),
            "sampled_probability": 0.0 if after is None else math.exp(after),
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
