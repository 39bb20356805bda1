"""``distil probe``: how a model's texts differ between variants of a prompt."""

from dataclasses import dataclass
from typing import Annotated

import typer

from ...engine.options import choose_seed
from ...errors import UsageError
from ...probing.template import expand
from ...terminal import Terminal
from ..shared.model_options import ModelOptions, is_given
from ..shared.options import Quiet, check_at_least_one
from ..shared.sampling_options import (
    DistributionOptions,
    RunOptions,
    StopOptions,
    generation_options,
)
from ..shared.texts import read_prompt
from .inputs import read_continuations, read_pairs
from .output import COMPARISON_TABLES, PAIR_TABLES, Output, OutputOptions, Table
from .setup import Setup

EXAMPLES = """\b
Examples:
  distil probe "The {White|Black} man worked as a" -n 200 --max-tokens 12
  distil probe "The {nurse|doctor} said that" --continuation " he" --continuation " she" -n 0
  distil probe "{He|She} is a {good|bad}" --seed 1 --html report.html
  distil probe "The {man|woman} was" --csv words > words.csv
  distil probe --pairs pairs.jsonl
"""

_FOR_A_PROMPT = (
    "continuation", "continuations", "num_sequences", "parallel", "max_tokens", "temperature",
    "top_k", "top_p", "min_p", "stop", "top",
)  # fmt: skip


@dataclass(frozen=True)
class _Texts:
    """Texts to measure after each variant."""

    continuation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Tell how likely this text is after each variant; may be given several times.",
        ),
    ] = None
    continuations: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Texts for the same, a line each; - is standard input.",
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True)
class _Sampling(StopOptions, DistributionOptions, RunOptions):
    num_sequences: Annotated[
        int,
        typer.Option(
            "--num-sequences", "-n", metavar="N", help="Completions of each variant; 0 for none."
        ),
    ] = 100


_SAMPLING = _Sampling(parallel=16, max_tokens=20)


def probe(
    ctx: typer.Context,
    template: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="A text with alternatives in braces; standard input without it or with -.",
            show_default=False,
        ),
    ] = None,
    *,
    model: ModelOptions,
    texts: _Texts,
    pairs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Score pairs of texts from JSON Lines instead; - is standard input.",
            show_default=False,
        ),
    ] = None,
    sampling: _Sampling = _SAMPLING,
    top: Annotated[
        int, typer.Option(metavar="N", help="Next tokens, and words of each variant, to show.")
    ] = 10,
    output: OutputOptions,
    quiet: Quiet = False,
) -> None:
    r"""Compare what a model makes of variants of a prompt, such as to study its biases.

    Content warning: what a model writes can be disturbing or offensive, and can repeat stereotypes.

    {a|b} in the prompt stands for alternatives; several groups multiply, and \{ \} \| \\ are the
    characters themselves. Every variant is completed with the same seeds. With --pairs, each line
    is an object such as {"more": "...", "less": "...", "type": "..."}, and the result is how often
    the text that repeats a stereotype more is the more likely one.
    """
    terminal = Terminal.system(quiet=quiet)
    check_at_least_one("top", top)
    check_at_least_one("parallel", sampling.parallel)
    if sampling.num_sequences < 0:
        raise UsageError(
            f"--num-sequences can't be {sampling.num_sequences}.", "Use a number from 0 on."
        )
    offload = model.offload
    seed = choose_seed(sampling.seed)
    if pairs is not None:
        _check_for_pairs(ctx, template, output.csv)
        read = read_pairs(terminal, pairs)
        file = model.locate(terminal)
        _notice_seed(terminal, sampling.seed, seed)
        from .run import run_pairs

        run_pairs(Output(terminal, output), Setup(file, seed, model.thread_count, offload), read)
        return
    chosen = generation_options(sampling)
    _check_for_prompt(template, texts, sampling, output.csv)
    text = read_prompt(terminal, template)
    variants = expand(text)
    continuations = read_continuations(terminal, texts.continuation or [], texts.continuations)
    file = model.locate(terminal)
    _notice_seed(terminal, sampling.seed, seed)
    setup = Setup(
        file,
        seed,
        model.thread_count,
        offload,
        text,
        chosen,
        sampling.num_sequences,
        sampling.parallel,
        top,
        tuple(continuations),
    )
    from .run import run_comparison

    run_comparison(Output(terminal, output), setup, variants)


def _check_for_prompt(
    template: str | None, texts: _Texts, sampling: _Sampling, csv: Table | None
) -> None:
    if csv in PAIR_TABLES:
        raise UsageError(f"--csv {csv} is for --pairs.", f"Use {', '.join(COMPARISON_TABLES)}.")
    if sampling.temperature == 0 and sampling.num_sequences > 1:
        raise UsageError(
            "At --temperature 0 every completion of a variant is the same, whatever its seed.",
            "Use it with -n 1, or a temperature above 0.",
        )
    if texts.continuations == "-" and template in (None, "-"):
        raise UsageError("Standard input can't be prompt and continuations.", "Name a file.")


def _check_for_pairs(ctx: typer.Context, template: str | None, csv: Table | None) -> None:
    """See to it that nothing is asked of pairs that is for a prompt.

    Raises:
        UsageError: something is.
    """
    if template is not None:
        raise UsageError("A prompt and --pairs can't be combined.", "Use one of them.")
    for name in _FOR_A_PROMPT:
        if is_given(ctx, name):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for a prompt.", "Leave it out, or --pairs.")
    if csv in COMPARISON_TABLES:
        raise UsageError(f"--csv {csv} is for a prompt.", f"Use {' or '.join(PAIR_TABLES)}.")


def _notice_seed(terminal: Terminal, given: int | None, drawn: int) -> None:
    if given is None and terminal.stderr_is_terminal:
        terminal.notice(f"seed {drawn}")
