"""``distil probe``: compares variants of a prompt."""

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from ...engine.options import choose_seed
from ...errors import UsageError
from ...probing.template import expand
from ...terminal import Terminal
from ...workers.run import Workers
from ..shared.model_options import ModelOptions, is_given
from ..shared.options import (
    Quiet,
    TextOptions,
    WorkerCount,
    check_at_least_one,
    parse_workers,
    source_option,
)
from ..shared.sampling_options import (
    DistributionOptions,
    RunOptions,
    StopOptions,
    generation_options,
)
from ..shared.sources import check_read_once
from ..shared.texts import notice_space, read_prompt
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


@dataclass(frozen=True)
class _Template(TextOptions):
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="Text with alternatives in braces; read from standard input if omitted or -.",
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True)
class _Texts:
    """Texts to measure after each variant."""

    continuation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Measure how likely this text is after each variant; can be repeated.",
        ),
    ] = None
    continuations: Annotated[
        str | None,
        source_option("File of continuations, one per line; - for standard input."),
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
_FOR_A_PROMPT = [
    name
    for name in (*(field.name for group in (_Texts, _Sampling) for field in fields(group)), "top")
    if name != "seed"
]


def probe(
    ctx: typer.Context,
    *,
    template: _Template,
    model: ModelOptions,
    texts: _Texts,
    pairs: Annotated[
        list[str] | None,
        source_option("Score pairs of texts from JSON Lines, CSV, or two WinoBias files instead."),
    ] = None,
    sampling: _Sampling = _SAMPLING,
    top: Annotated[
        int,
        typer.Option(metavar="N", help="Number of next tokens, and of words per variant, to show."),
    ] = 10,
    workers: WorkerCount = "auto",
    output: OutputOptions,
    quiet: Quiet = False,
) -> None:
    r"""Compare variants of a prompt, for example to study a model's biases.

    Content warning: what a model writes can be disturbing or offensive, and can repeat stereotypes.

    {a|b} in the prompt stands for alternatives; several groups are combined, and \{ \} \| \\ stand
    for the characters themselves. Every variant is completed with the same seeds. With --pairs,
    each line is an object such as {"more": "...", "less": "...", "type": "..."}, or the file is
    that of CrowS-Pairs; WinoBias has two files: use --pairs twice. The result is how often the more
    stereotypical text is the more likely one.
    """
    terminal = Terminal.system(quiet=quiet)
    check_at_least_one("top", top)
    check_at_least_one("parallel", sampling.parallel)
    if sampling.num_sequences < 0:
        raise UsageError(f"--num-sequences can't be {sampling.num_sequences}.", "Use 0 or more.")
    offload, threads = model.offload, model.thread_count
    sharing = Workers(parse_workers(workers, several=True, what="several texts"), threads)
    seed, is_drawn = choose_seed(sampling.seed), sampling.seed is None
    if pairs:
        _check_for_pairs(ctx, template, output.csv)
        read = read_pairs(terminal, pairs)
        file = model.locate(terminal)
        from .run import run_pairs

        setup = Setup(file, seed, is_drawn, threads, offload, sharing)
        run_pairs(Output(terminal, output), setup, read)
        return
    chosen = generation_options(sampling)
    _check_for_prompt(sampling, output.csv)
    check_read_once([template.source, texts.continuations])
    continuations = read_continuations(terminal, texts.continuation or [], texts.continuations)
    text = read_prompt(terminal, template)
    variants = expand(text)
    any(notice_space(terminal, variant.prompt) for variant in variants)
    file = model.locate(terminal)
    setup = Setup(
        file,
        seed,
        is_drawn,
        threads,
        offload,
        sharing,
        text,
        chosen,
        sampling.num_sequences,
        sampling.parallel,
        top,
        tuple(continuations),
    )
    from .run import run_comparison

    run_comparison(Output(terminal, output), setup, variants)


def _check_for_prompt(sampling: _Sampling, csv: Table | None) -> None:
    if csv in PAIR_TABLES:
        raise UsageError(
            f"--csv {csv} is for --pairs.", f"Use one of {', '.join(COMPARISON_TABLES)}."
        )
    if sampling.temperature == 0 and sampling.num_sequences > 1:
        raise UsageError(
            "With --temperature 0, all completions of a variant are the same.",
            "Use -n 1, or a temperature above 0.",
        )


def _check_for_pairs(ctx: typer.Context, template: _Template, csv: Table | None) -> None:
    """Make sure that no option for a prompt is used with pairs.

    Raises:
        UsageError: an option is.
    """
    if template.text is not None or template.file is not None:
        raise UsageError("A prompt and --pairs can't be combined.", "Use one of them.")
    for name in _FOR_A_PROMPT:
        if is_given(ctx, name):
            option = name.replace("_", "-")
            raise UsageError(
                f"--{option} can't be combined with --pairs.", "Leave out one of them."
            )
    if csv in COMPARISON_TABLES:
        raise UsageError(
            f"--csv {csv} can't be combined with --pairs.", f"Use {' or '.join(PAIR_TABLES)}."
        )
