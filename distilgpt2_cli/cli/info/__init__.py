"""``distil info``: what a model file is, and what is known of its model."""

from typing import Annotated

import typer

from ...errors import UsageError
from ...models.catalog import DEFAULT_QUANTIZATION, REPOSITORY
from ...terminal import Terminal
from ..shared.model import ModelPath, Offline, is_given, name_model
from ..shared.options import Json, Quiet, Repository, Revision, complete_quantization

EXAMPLES = """\b
Examples:
  distil info
  distil info --model demo
  distil info --quant Q8_0 --json | jq .tensor_types
  distil info --citation >> references.bib
"""


def info(
    ctx: typer.Context,
    quant: Annotated[
        str,
        typer.Option(
            "--quant",
            "-q",
            envvar="DISTIL_QUANT",
            metavar="NAME",
            help="The quantization, in any case; it needn't be downloaded.",
            autocompletion=complete_quantization,
        ),
    ] = DEFAULT_QUANTIZATION,
    model: ModelPath = None,
    repo: Repository = REPOSITORY,
    revision: Revision = None,
    offline: Offline = False,  # noqa: ARG001
    json: Json = False,
    citation: Annotated[
        bool, typer.Option("--citation", help="Print DistilGPT2's BibTeX entry and nothing else.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Say what a model file is, and what is known of its model.

    The file is loaded by llama.cpp, and described by its own metadata and tensors. For DistilGPT2
    there is also, in short, what its model card says: training data, intended uses, limitations
    and bias, evaluation, emissions. Nothing is downloaded, and the Hub is never asked.
    """
    terminal = Terminal.system(quiet=quiet)
    if citation:
        _check_citation(ctx, repo, json)
        from ...models.model_card import DISTILGPT2

        terminal.write(f"{DISTILGPT2.citation}\n")
        return
    from .page import show
    from .subject import look_up

    subject = look_up(name_model(ctx, model, quant, repo, revision))
    if json:
        terminal.write_json(subject.record())
    else:
        show(terminal, subject)


def _check_citation(context: typer.Context, repository: str, json: bool) -> None:
    if json:
        raise UsageError(
            "--citation and --json can't be combined.",
            "Use one of them; in JSON the entry is .model_card.citation.",
        )
    if is_given(context, "model") or repository != REPOSITORY:
        raise UsageError(
            "--citation prints the entry of DistilGPT2, and of no other model.",
            "Leave out --model and --repo.",
        )
