"""``distil generate``: completions of one prompt or of many."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import typer

from ...engine.options import choose_seed
from ...errors import UsageError
from ...terminal import Terminal
from ..optional_values import OPTIONAL_FORMAT
from ..shared.model_options import FlashAttention, ModelOptions
from ..shared.options import (
    Json,
    Quiet,
    TextOptions,
    WorkerCount,
    check_at_least_one,
    check_only_one,
    parse_workers,
)
from ..shared.sampling_options import Echo, Logprobs, SamplingOptions, generation_options
from ..shared.sources import check_read_once
from ..shared.texts import InputLines, read_prompt
from .constraint import ConstraintOptions

EXAMPLES = """\b
Examples:
  distil generate "Once upon a time"
  distil generate --seed 42 --num-sequences 5 "Hello, I'm a language model,"
  echo "The meaning of life is" | distil generate --max-tokens 40
  distil generate --json --seed 7 "To be" | jq -r .text
  distil generate --one-line --num-sequences 100 "My name is" > names.txt
  distil generate --lines --parallel 16 < prompts.txt > texts.txt
  distil generate --lines json < prompts.jsonl > texts.txt
  distil generate --choices " yes| no" "Is the sky blue? Answer:"
  distil generate --model story.gguf --temperature 0 --stop "." "It was a"
"""


@dataclass(frozen=True)
class _Prompts(TextOptions):
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="Text to continue; read from standard input if omitted or -.",
            show_default=False,
        ),
    ] = None
    lines: Annotated[
        Literal["text", "json"] | None,
        typer.Option(
            "--lines",
            metavar=OPTIONAL_FORMAT,
            help="Treat each line as a prompt, or with `json` as JSON with one; skip empty lines.",
        ),
    ] = None


@dataclass(frozen=True)
class _ModelOptions(ModelOptions):
    flash_attention: FlashAttention = False


@dataclass(frozen=True)
class _Written:
    """What is written for each completion."""

    echo: Echo = False
    one_line: Annotated[
        bool,
        typer.Option(
            "--one-line", help=r"Print each completion on one line, with \n for its line ends."
        ),
    ] = False
    json: Json = False
    logprobs: Logprobs = None

    def __post_init__(self) -> None:
        """Refuse what can't be combined."""
        check_only_one({"--one-line": self.one_line, "--json": self.json})
        if self.logprobs is not None and not self.json:
            raise UsageError("--logprobs works only with --json.", "Add --json.")
        if self.logprobs is not None and self.logprobs < 0:
            raise UsageError(f"--logprobs can't be {self.logprobs}.", "Use 0 or more.")


def generate(
    *,
    prompt: _Prompts,
    model: _ModelOptions,
    sampling: SamplingOptions,
    constraint: ConstraintOptions,
    written: _Written,
    workers: WorkerCount = "auto",
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
    check_read_once([prompt.source, constraint.grammar, constraint.json_schema])
    grammar = constraint.read(terminal, literal=sampling.no_escape)
    chosen = generation_options(sampling, grammar=grammar)
    check_only_one(
        {"--logprobs": written.logprobs is not None, "--num-beams": chosen.num_beams > 1}
    )
    check_at_least_one("num-sequences", sampling.num_sequences)
    check_at_least_one("parallel", sampling.parallel)
    count = parse_workers(workers, several=bool(prompt.lines), what="--lines")
    offload = model.offload
    first_seed = choose_seed(sampling.seed)
    text = None if prompt.lines else read_prompt(terminal, prompt)
    lines = InputLines(terminal, prompt, "generate") if prompt.lines else None
    # Not before it is needed: shells ask for the options at every Tab.
    from ...workers.chunks import texts_to_generate
    from ...workers.run import Workers
    from ..shared.json_options import prompt_of
    from ..shared.lines import OneText, line_source
    from ..tasks.generate import GenerateTask
    from .output import Output

    task = GenerateTask(
        model.locate(terminal),
        chosen,
        first_seed,
        sampling.num_sequences,
        sampling.parallel,
        model.thread_count,
        offload,
        written.logprobs,
        model.flash_attention,
        text,
        written.json,
        written.echo,
        stats,
    )
    # JSON and statistics have the seed of each completion; one without draws does not need it.
    draws = chosen.temperature > 0 and chosen.num_beams == 1
    seed_is_news = sampling.seed is None and draws and not (written.json or stats)
    # A grammar may well expect that words begin without a space.
    output = Output(terminal, task, first_seed if seed_is_news else None, grammar is None)
    if lines:
        parse = partial(prompt_of, defaults=chosen) if prompt.lines == "json" else None
        texts = texts_to_generate(task.parallel, task.sequences)
        with line_source(lines, texts, parse) as source:
            if output.notices_space:
                source.notice_space(terminal)
            output.write(source, Workers(count, task.threads))
        lines.check()
    elif written.json or written.one_line:
        output.write(OneText(text or ""), Workers())
    else:
        output.stream(text or "")
