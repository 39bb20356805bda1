"""``distil probe``: how a model's texts differ between variants of a prompt."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...engine.options import GenerationOptions, check_seed, draw_seed
from ...errors import DistilError, UsageError
from ...files import check_new_file
from ...models.catalog import DEFAULT_QUANTIZATION, REPOSITORY
from ...probing.pairs import Pair, parse_pair
from ...probing.template import expand
from ...signals import results_pending
from ...terminal import Terminal
from ...terminal.progress import Advance
from ..shared import sampling_options as options
from ..shared.model import ModelPath, Offline, Quant, is_given, locate
from ..shared.options import (
    Json,
    Quiet,
    Repository,
    Revision,
    Threads,
    check_at_least_one,
    parse_threads,
)
from ..shared.placement import Devices, GpuLayers, parse_offload, tell_refusal
from ..shared.texts import argument_text, read_file_lines, read_prompt
from .output import COMPARISON_TABLES, PAIR_TABLES, Output, Setup, Table

if TYPE_CHECKING:
    from ...probing.comparison import Comparison

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
    quant: Quant = DEFAULT_QUANTIZATION,
    model: ModelPath = None,
    repo: Repository = REPOSITORY,
    revision: Revision = None,
    offline: Offline = False,
    threads: Threads = "auto",
    gpu_layers: GpuLayers = "auto",
    device: Devices = None,
    continuation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Tell how likely this text is after each variant; may be given several times.",
        ),
    ] = None,
    continuations: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Texts for the same, a line each; - is standard input.",
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Score pairs of texts from JSON Lines instead; - is standard input.",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = None,
    num_sequences: Annotated[
        int,
        typer.Option(
            "--num-sequences", "-n", metavar="N", help="Completions of each variant; 0 for none."
        ),
    ] = 100,
    parallel: options.Parallel = 16,
    max_tokens: options.MaxTokens = 20,
    temperature: options.Temperature = 1.0,
    top_k: options.TopK = 50,
    top_p: options.TopP = 1.0,
    min_p: options.MinP = 0.0,
    stop: options.Stop = None,
    top: Annotated[
        int, typer.Option(metavar="N", help="Next tokens, and words of each variant, to show.")
    ] = 10,
    json: Json = False,
    csv: Annotated[
        Table | None,
        typer.Option(help="Print one table as CSV instead of text.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a report with plots into this .html file too.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the report's file.")] = False,
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
    if json and csv:
        raise UsageError("--json and --csv can't be combined.", "Use one of them.")
    if html is not None:
        check_new_file(html, (".html", ".htm"), force=force)
    check_at_least_one("top", top)
    check_at_least_one("parallel", parallel)
    if num_sequences < 0:
        raise UsageError(f"--num-sequences can't be {num_sequences}.", "Use a number from 0 on.")
    thread_count = parse_threads(threads)
    offload = parse_offload(gpu_layers, device)
    first_seed = draw_seed() if seed is None else check_seed(seed)
    output = Output(terminal, json, csv, html)
    if pairs is not None:
        _check_for_pairs(ctx, template, csv)
        read = _read_pairs(terminal, pairs)
        file = locate(terminal, ctx, model, quant, repo, revision, offline)
        _tell_seed(terminal, seed, first_seed)
        _run_pairs(output, Setup(file, first_seed, thread_count, offload), read)
        return
    if csv in PAIR_TABLES:
        raise UsageError(f"--csv {csv} is for --pairs.", f"Use {', '.join(COMPARISON_TABLES)}.")
    chosen = GenerationOptions(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        stop=tuple(stop or ()),
    )
    if temperature == 0 and num_sequences > 1:
        raise UsageError(
            "At --temperature 0 every completion of a variant is the same, whatever its seed.",
            "Use it with -n 1, or a temperature above 0.",
        )
    if continuations == "-" and template in (None, "-"):
        raise UsageError("Standard input can't be prompt and continuations.", "Name a file.")
    text = read_prompt(terminal, template)
    variants = expand(text)
    given = _read_continuations(terminal, continuation or [], continuations)
    file = locate(terminal, ctx, model, quant, repo, revision, offline)
    _tell_seed(terminal, seed, first_seed)
    setup = Setup(
        file,
        first_seed,
        thread_count,
        offload,
        text,
        chosen,
        num_sequences,
        parallel,
        top,
        tuple(given),
    )
    from ...probing.comparison import Comparison

    _run_comparison(output, setup, Comparison(variants))


def _run_comparison(output: Output, setup: Setup, comparison: "Comparison") -> None:
    from ...engine.llama.loading import load
    from ...probing.comparison import compare_words, complete, look, seeds_from

    seeds = seeds_from(setup.seed, setup.count)
    variants = len(comparison.variants)
    terminal, texts = output.terminal, setup.continuations
    with load(setup.file.path, setup.offload) as loaded:
        interrupt = _interrupted(
            terminal,
            "texts",
            variants * (1 + len(texts)),
            lambda advance: look(loaded, comparison, texts, setup.top, setup.threads, advance),
        ) or _interrupted(
            terminal,
            "completions",
            variants * len(seeds),
            lambda advance: complete(
                loaded,
                comparison,
                setup.options,
                seeds,
                parallel=setup.parallel,
                threads=setup.threads,
                advance=advance,
            ),
        )
    if interrupt and not comparison.divergences:
        raise interrupt
    tell_refusal(terminal, comparison.placement)
    comparison.interrupted = interrupt is not None
    compare_words(comparison, setup.top, setup.seed)
    output.show_comparison(setup, comparison)
    if interrupt:
        raise interrupt


def _run_pairs(output: Output, setup: Setup, pairs: list[Pair]) -> None:
    from ...engine.llama.loading import load
    from ...probing.paired import PairedTest, score_pairs, summarize

    test = PairedTest()
    with load(setup.file.path, setup.offload) as loaded:
        interrupt = _interrupted(
            output.terminal,
            "pairs",
            len(pairs),
            lambda advance: score_pairs(
                loaded, pairs, test, threads=setup.threads, advance=advance
            ),
        )
    tell_refusal(output.terminal, test.placement)
    test.interrupted = interrupt is not None
    if test.scored:
        summarize(test, setup.seed)
        output.show_pairs(setup, test)
    if interrupt:
        raise interrupt


def _interrupted(
    terminal: Terminal, name: str, total: int, work: Callable[[Advance], None]
) -> KeyboardInterrupt | None:
    """Do some work and show its progress; return what has interrupted it, None if nothing did."""
    try:
        with terminal.counting(name, total) as advance, results_pending():
            work(advance)
    except KeyboardInterrupt as interrupt:
        return interrupt
    return None


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


def _read_pairs(terminal: Terminal, name: str) -> list[Pair]:
    """Return the pairs of a file; lines with nothing but white space are none."""
    lines = read_file_lines(terminal, name)
    found = [parse_pair(text, number) for number, text in lines if text.strip()]
    if not found:
        raise DistilError(f"{name} has no pairs.", "Write one a line; see docs/probe.md.")
    return found


def _read_continuations(terminal: Terminal, given: list[str], name: str | None) -> list[str]:
    """Return the texts of ``--continuation``, and then those of the file.

    Raises:
        DistilError: one of them is empty, or can't be read.
    """
    texts = [argument_text(text, "A continuation") for text in given]
    if "" in texts:
        raise UsageError("--continuation is empty.", "Give it at least one character.")
    for number, text in [] if name is None else read_file_lines(terminal, name):
        if not text:
            raise DistilError(f"Line {number} of {name} is empty.", "Write a text there.")
        texts.append(text)
    return texts


def _tell_seed(terminal: Terminal, given: int | None, drawn: int) -> None:
    if given is None and terminal.stderr_is_terminal:
        terminal.notice(f"seed {drawn}")
