"""``distil info``: describes a model file, with a summary of its model card."""

from dataclasses import dataclass
from typing import Annotated

import typer

from ...errors import UsageError
from ...models.catalog import DEFAULT_QUANTIZATION, REPOSITORY
from ...terminal import Terminal
from ..shared.model_options import FileOptions, quant_option
from ..shared.options import Json, Quiet

EXAMPLES = """\b
Examples:
  distil info
  distil info --model demo
  distil info --quant Q8_0 --json | jq .tensor_types
  distil info --citation >> references.bib
"""


@dataclass(frozen=True)
class _Options(FileOptions):
    quant: Annotated[
        str | None, quant_option("Quantization (case-insensitive); need not be downloaded.")
    ] = DEFAULT_QUANTIZATION


def info(
    *,
    model: _Options,
    json: Json = False,
    citation: Annotated[
        bool, typer.Option("--citation", help="Print only the BibTeX entry of DistilGPT2.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Describe a model file, and summarize its model card.

    The file is loaded by llama.cpp, and described by its metadata and tensors. For DistilGPT2, a
    summary of its model card follows: training data, intended uses, limitations and bias,
    evaluation, emissions. Nothing is downloaded, and the Hub is not contacted.
    """
    terminal = Terminal.system(quiet=quiet)
    if citation:
        _check_citation(model, json)
        from ...models.model_card import DISTILGPT2

        terminal.write(f"{DISTILGPT2.citation}\n")
        return
    from .facts import look_up
    from .page import show

    facts = look_up(model.choose())
    if json:
        terminal.write_json(facts.record())
    else:
        show(terminal, facts)


def _check_citation(model: FileOptions, json: bool) -> None:
    if json:
        raise UsageError(
            "--citation and --json can't be combined.",
            "Use one of them; in JSON the entry is .model_card.citation.",
        )
    if model.model is not None or model.repo not in (None, REPOSITORY):
        raise UsageError(
            "--citation prints the entry of DistilGPT2 only.",
            "Leave out --model and --repo.",
        )
