"""``distil generate``: completions of a prompt."""

import os
from typing import Annotated

import typer

from ..engine.options import MAX_SEED, GenerationOptions, check_seed
from ..errors import UsageError
from ..models.catalog import DEFAULT_QUANTIZATION, REPOSITORY
from ..terminal import Terminal
from . import generation_options as options
from .model import ModelPath, Offline, Quant, locate
from .options import Json, Quiet, Repository, Revision
from .prompt import read_prompt

EXAMPLES = """\b
Examples:
  distil generate "Once upon a time"
  distil generate --seed 42 --num-sequences 5 "Hello, I'm a language model,"
  echo "The meaning of life is" | distil generate --max-tokens 40
  distil generate --json --seed 7 "To be" | jq -r .text
  distil generate --model story.gguf --temperature 0 --stop "." "It was a"
"""

_DEFAULTS = GenerationOptions()


def generate(
    ctx: typer.Context,
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="Text to continue; standard input without it or with -.",
            show_default=False,
        ),
    ] = None,
    quant: Quant = DEFAULT_QUANTIZATION,
    model: ModelPath = None,
    repo: Repository = REPOSITORY,
    revision: Revision = None,
    offline: Offline = False,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Threads to compute with.", show_default="the cores, at most 4"
        ),
    ] = None,
    seed: options.Seed = None,
    num_sequences: options.NumSequences = 1,
    max_tokens: options.MaxTokens = _DEFAULTS.max_tokens,
    temperature: options.Temperature = _DEFAULTS.temperature,
    top_k: options.TopK = _DEFAULTS.top_k,
    top_p: options.TopP = _DEFAULTS.top_p,
    min_p: options.MinP = _DEFAULTS.min_p,
    repetition_penalty: options.RepetitionPenalty = _DEFAULTS.repetition_penalty,
    presence_penalty: options.PresencePenalty = _DEFAULTS.presence_penalty,
    frequency_penalty: options.FrequencyPenalty = _DEFAULTS.frequency_penalty,
    stop: options.Stop = None,
    ignore_eos: options.IgnoreEos = False,
    echo: Annotated[
        bool, typer.Option("--echo", help="Print the prompt before each completion.")
    ] = False,
    json: Json = False,
    stats: Annotated[
        bool, typer.Option("--stats", help="Print seed, counts and speed on standard error.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Continue a text with the model.

    The text streams to standard output as it is made. The same model file, prompt, options and
    seed give the same bytes every time.
    """
    terminal = Terminal.system(quiet=quiet)
    chosen = GenerationOptions(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        stop=tuple(stop or ()),
        ignore_eos=ignore_eos,
    )
    _check_at_least_one("num-sequences", num_sequences)
    _check_at_least_one("threads", threads)
    drawn = seed is None
    first_seed = _draw_seed() if seed is None else check_seed(seed)
    text = read_prompt(terminal, prompt)
    file = locate(terminal, ctx, model, quant, repo, revision, offline)
    if drawn and terminal.stderr_is_terminal and not stats:
        terminal.notice(f"seed {first_seed}")
    from ..engine import open_generator
    from .completions import statistics, view_of

    with open_generator(file.path, text, chosen, threads) as generator:
        if generator.dropped_tokens:
            terminal.notice(
                f"The prompt is longer than the context window of {generator.context.size} tokens:"
                f" its first {generator.dropped_tokens} are left out."
            )
        view = view_of(terminal, text, file, generator, json, echo, num_sequences)
        for number in range(num_sequences):
            completion = generator.complete((first_seed + number) % (MAX_SEED + 1))
            try:
                view.show(number, completion)
            finally:
                if stats and completion.finish_reason:
                    terminal.notice(statistics(file, generator, completion))


def _draw_seed() -> int:
    return int.from_bytes(os.urandom(8), "big") % (MAX_SEED + 1)


def _check_at_least_one(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise UsageError(f"--{name} can't be {value}.", "Use a number from 1 on.")
