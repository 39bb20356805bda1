"""``distil write``: an editor that suggests continuations."""

import os
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP
from typing import Annotated

import typer

from ..engine.options import choose_seed
from ..errors import DistilError, ModelUnavailableError, UsageError
from ..files import own_path
from ..models import ModelFile, ModelReference, demo
from ..models.catalog import DEFAULT_QUANTIZATION
from ..terminal import Terminal
from .shared.adapters import adapted, name_with_adapters
from .shared.extras import check_extra
from .shared.model_options import ModelOptions
from .shared.offload import notice_loading
from .shared.options import check_at_least_one
from .shared.sampling_options import (
    DistributionOptions,
    PenaltyOptions,
    SamplerOptions,
    generation_options,
)

EXAMPLES = """\b
Examples:
  distil write story.txt
  distil write --seed 42 --max-tokens 32 --temperature 0.7 story.txt
"""

_COUNT = 3


@dataclass(frozen=True)
class _Sampling(PenaltyOptions, SamplerOptions, DistributionOptions):
    """How suggestions are drawn."""


def write(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            parser=own_path,
            help="UTF-8 text file; created when you save.",
            show_default=False,
        ),
    ] = None,
    *,
    model: ModelOptions,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            "-s",
            metavar="N",
            help="Seed of the first suggestion at each place; later ones count up.",
            show_default="random",
        ),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(metavar="N", help="Maximum tokens per suggestion.")
    ] = 16,
    sampling: _Sampling,
) -> None:
    """Write a text in an editor that suggests continuations.

    Tab suggests three continuations of the text before the cursor. A digit, or the arrow keys and
    Enter, accept one; Alt-Right accepts its next word; Tab shows others; Esc dismisses them. F1
    shows all keys. If DistilGPT2 can't be downloaded, suggestions come from the demo model.
    """
    terminal = Terminal.system()
    check_at_least_one("max-tokens", max_tokens)
    first_seed = choose_seed(seed)
    offload = model.offload
    _check_terminal(terminal)
    from ..editor.suggestions import Settings
    from ..editor.text_file import TextFile

    settings = Settings(max_tokens, sampling.temperature, _COUNT, generation_options(sampling))
    chosen = settings.options()
    text = TextFile(file)
    model_file, message = _located(terminal, model)
    from ..editor.app import EditorApp
    from ..engine import open_generator

    with open_generator(
        adapted(model_file), chosen, threads=model.thread_count, offload=offload
    ) as generator:
        notice_loading(terminal, generator.context.placement)
        app = EditorApp(
            text,
            generator,
            name_with_adapters(model_file),
            settings,
            first_seed,
            colours=terminal.stdout_has_colours,
            message=message,
        )
        end = app.run()
    if end.kept:
        terminal.notice(f"The text was not saved. A copy is in {end.kept}.")
    if end.signal == SIGHUP:
        terminal.give_up_stdout()
    if end.signal:
        raise typer.Exit(128 + end.signal)


def _located(terminal: Terminal, model: ModelOptions) -> tuple[ModelFile, str]:
    """Return the model, or the bundled one in place of the default, and a message about that.

    Someone who wants to write can begin to, also where there is no network.

    Raises:
        DistilError: the model that was asked for is not available.
    """
    try:
        return model.locate(terminal), ""
    except ModelUnavailableError:
        if model.lora or model.choose() != ModelReference(DEFAULT_QUANTIZATION):
            raise
        return demo(), (
            "DistilGPT2 can't be downloaded now, so suggestions come from the small demo model."
            " `distil doctor` shows why."
        )


def _check_terminal(terminal: Terminal) -> None:
    check_extra("write", "distil write", ["prompt_toolkit"], ["prompt_toolkit"])
    if not (terminal.stdin_is_terminal and terminal.stdout_is_terminal):
        raise UsageError(
            "distil write needs a terminal for its input and output.",
            "Run it without pipes and redirections.",
        )
    kind = os.environ.get("TERM", "")
    if kind in ("", "dumb", "unknown"):
        raise DistilError(
            f"This terminal (TERM={kind}) can't move the cursor, which an editor needs.",
            "Use another terminal.",
        )
