"""``distil generate``: completions of one prompt or of many."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ...engine.options import choose_seed, completion_seed
from ...errors import UsageError
from ...models import ModelFile
from ...signals import results_pending
from ...terminal import Terminal
from ..shared.model_options import ModelOptions
from ..shared.offload import notice_loading
from ..shared.options import Json, Quiet, TextsOptions, check_at_least_one, check_only_one
from ..shared.sampling_options import (
    Logprobs,
    SamplingOptions,
    generation_options,
    notice_seed,
)
from ..shared.sources import check_read_once
from ..shared.texts import InputLines, noticing_space, read_prompt
from .constraint import ConstraintOptions

if TYPE_CHECKING:
    from ...engine import Batch, Completion, Generator, Request
    from ...terminal.progress import Advance
    from .views import View

EXAMPLES = """\b
Examples:
  distil generate "Once upon a time"
  distil generate --seed 42 --num-sequences 5 "Hello, I'm a language model,"
  echo "The meaning of life is" | distil generate --max-tokens 40
  distil generate --json --seed 7 "To be" | jq -r .text
  distil generate --one-line --num-sequences 100 "My name is" > names.txt
  distil generate --lines --parallel 16 < prompts.txt > texts.txt
  distil generate --choices " yes| no" "Is the sky blue? Answer:"
  distil generate --model story.gguf --temperature 0 --stop "." "It was a"
"""


@dataclass(frozen=True)
class _Prompts(TextsOptions):
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="Text to continue; read from standard input if omitted or -.",
            show_default=False,
        ),
    ] = None
    lines: Annotated[
        bool,
        typer.Option("--lines", help="Treat each line of the input as a prompt; skip empty lines."),
    ] = False


@dataclass(frozen=True)
class _ModelOptions(ModelOptions):
    flash_attention: Annotated[
        bool,
        typer.Option(
            "--flash-attention",
            help="Faster, but after 256 tokens the text can depend on --threads.",
        ),
    ] = False


def generate(
    *,
    prompt: _Prompts,
    model: _ModelOptions,
    sampling: SamplingOptions,
    constraint: ConstraintOptions,
    echo: Annotated[
        bool, typer.Option("--echo", help="Print the prompt before each completion.")
    ] = False,
    one_line: Annotated[
        bool,
        typer.Option(
            "--one-line", help=r"Print each completion on one line, with \n for its line ends."
        ),
    ] = False,
    json: Json = False,
    logprobs: Logprobs = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Print seed, counts and speed on standard error.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Continue a text with the model.

    The text streams to standard output as it is generated. The same model file, prompt, options and
    seed give the same bytes every time.
    """
    terminal = Terminal.system(quiet=quiet)
    check_only_one({"--one-line": one_line, "--json": json})
    check_read_once([prompt.source, constraint.grammar, constraint.json_schema])
    grammar = constraint.read(terminal, literal=sampling.no_escape)
    chosen = generation_options(sampling, grammar=grammar)
    check_at_least_one("num-sequences", sampling.num_sequences)
    check_at_least_one("parallel", sampling.parallel)
    _check_logprobs(logprobs, json)
    offload = model.offload
    first_seed = choose_seed(sampling.seed)
    text = None if prompt.lines else read_prompt(terminal, prompt)
    line_prompts = InputLines(terminal, prompt, "generate") if prompt.lines else None
    prompts = iter(line_prompts or [(1, text or "")])
    if grammar is None:  # which may well expect that words begin without a space
        prompts = noticing_space(terminal, prompts)
    file = model.locate(terminal)
    from ...engine import open_generator
    from .views import JsonView, LineView, TextView

    with (
        open_generator(
            file.path,
            chosen,
            prompt=text,
            threads=model.thread_count,
            parallel=sampling.parallel,
            alternatives=logprobs,
            flash_attention=model.flash_attention,
            offload=offload,
        ) as generator,
        results_pending(),
    ):
        notice_loading(terminal, generator.context.placement)
        # JSON and statistics have the seed of each completion; a greedy one does not need it.
        if sampling.seed is None and chosen.temperature > 0 and not (json or stats):
            notice_seed(terminal, first_seed)
        if json:
            view: View = JsonView(terminal, file, generator, prompt.lines)
        elif prompt.lines or one_line:
            view = LineView(terminal, echo)
        else:
            view = TextView(terminal, echo, sampling.num_sequences)
        batch = generator.complete_all(_requests(prompts, sampling.num_sequences, first_seed))
        several = sampling.num_sequences > 1 and not prompt.lines
        total = sampling.num_sequences if several else None
        with terminal.counting_results("completions", total) as advance:
            _show(terminal, file, generator, batch, view, stats, advance)
    if line_prompts:
        line_prompts.check()


def _requests(
    prompts: Iterator[tuple[int, str]], sequences: int, first_seed: int
) -> "Iterator[Request]":
    """Yield the requests of every prompt, with seeds that count up over all of them."""
    from ...engine import Request

    for number, text in prompts:
        for i in range(sequences):
            seed = completion_seed(first_seed, (number - 1) * sequences + i)
            yield Request(text, seed, number, i)


def _show(
    terminal: Terminal,
    file: ModelFile,
    generator: "Generator",
    batch: "Batch",
    view: "View",
    stats: bool,
    advance: "Advance",
) -> None:
    from .views import show_all, statistics, total_statistics

    def notice_dropped(completion: "Completion") -> None:
        if completion.dropped_tokens and completion.request.index == 0:
            terminal.notice(
                f"Prompt {completion.request.number} is longer than the context window of "
                f"{generator.context.size} tokens: its first {completion.dropped_tokens} tokens "
                "are left out."
            )

    start, count, tokens = time.perf_counter(), 0, 0
    for completion in show_all(batch, view, notice_dropped):
        count, tokens = count + 1, tokens + completion.token_count
        advance(1)
        if completion.finish_reason == "length" and not completion.complete:
            terminal.notice(
                f"The text of seed {completion.seed} is incomplete: it reached --max-tokens"
                f" {completion.token_count} before the end of its grammar."
            )
        if stats:
            terminal.notice(statistics(file, generator, completion))
    if stats and count > 1:
        terminal.notice(total_statistics(count, tokens, time.perf_counter() - start))


def _check_logprobs(count: int | None, json: bool) -> None:
    if count is not None and not json:
        raise UsageError("--logprobs works only with --json.", "Add --json.")
    if count is not None and count < 0:
        raise UsageError(f"--logprobs can't be {count}.", "Use 0 or more.")
