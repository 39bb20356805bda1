"""How texts are sampled: the options, declared once; the engine has their defaults and ranges."""

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from ...engine.options import GenerationOptions
from ...terminal import Terminal
from .escapes import NoEscape, option_texts

DEFAULTS = GenerationOptions()

Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        "-s",
        metavar="N",
        help="Seed of the first completion, 0 to 4294967294; later ones count up.",
        show_default="random",
    ),
]
NumSequences = Annotated[
    int, typer.Option("--num-sequences", "-n", metavar="N", help="Number of completions.")
]
Parallel = Annotated[
    int,
    typer.Option(
        metavar="N", help="Completions to compute at once: faster overall, but different texts."
    ),
]
MaxTokens = Annotated[
    int, typer.Option(metavar="N", help="Maximum tokens to generate; -1 for no limit.")
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        "-t",
        metavar="X",
        help="Below 1 for more likely text, above 1 for less likely; 0 is greedy.",
    ),
]
TopK = Annotated[
    int, typer.Option(metavar="N", help="Sample from the N most likely tokens; 0 is off.")
]
TopP = Annotated[
    float,
    typer.Option(
        metavar="P",
        help="Sample from the most likely tokens with a total probability of P; 1 is off.",
    ),
]
MinP = Annotated[
    float,
    typer.Option(
        metavar="P", help="Exclude tokens less likely than P times the most likely one; 0 is off."
    ),
]
RepetitionPenalty = Annotated[
    float,
    typer.Option(metavar="X", help="Above 1 makes tokens already in the text less likely."),
]
PresencePenalty = Annotated[
    float,
    typer.Option(metavar="X", help="Subtract X from the logit of each token already in the text."),
]
FrequencyPenalty = Annotated[
    float,
    typer.Option(
        metavar="X", help="Subtract X from a token's logit for each time it occurs in the text."
    ),
]
Stop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help=r"Stop before this text; \n, \t and \\ are escapes; can be repeated.",
    ),
]
IgnoreEos = Annotated[
    bool, typer.Option("--ignore-eos", help="Continue after the end-of-text token.")
]
Logprobs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Add the log-probabilities of each token and of the N most likely ones to JSON.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class RunOptions:
    """How many completions, and how long."""

    seed: Seed = None
    num_sequences: NumSequences = 1
    parallel: Parallel = 1
    max_tokens: MaxTokens = DEFAULTS.max_tokens


@dataclass(frozen=True)
class DistributionOptions:
    """The distribution that tokens are drawn from."""

    temperature: Temperature = DEFAULTS.temperature
    top_k: TopK = DEFAULTS.top_k
    top_p: TopP = DEFAULTS.top_p
    min_p: MinP = DEFAULTS.min_p


@dataclass(frozen=True)
class PenaltyOptions:
    """Penalties for tokens that are already in the text."""

    repetition_penalty: RepetitionPenalty = DEFAULTS.repetition_penalty
    presence_penalty: PresencePenalty = DEFAULTS.presence_penalty
    frequency_penalty: FrequencyPenalty = DEFAULTS.frequency_penalty


@dataclass(frozen=True)
class StopOptions:
    """Where a text ends."""

    stop: Stop = None
    no_escape: NoEscape = False

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """The texts of ``--stop``, without escapes."""
        return tuple(
            text
            for value in self.stop or ()
            for text in option_texts(value, "--stop", literal=self.no_escape)
        )


@dataclass(frozen=True)
class EndOptions(StopOptions):
    """Where a text ends, and whether the end-of-text token ends it."""

    ignore_eos: IgnoreEos = DEFAULTS.ignore_eos


@dataclass(frozen=True)
class SamplingOptions(EndOptions, PenaltyOptions, DistributionOptions, RunOptions):
    """All sampling options."""


def notice_seed(terminal: Terminal, drawn: int) -> None:
    """Show a seed that was drawn, so that the run can be repeated."""
    terminal.notice(f"seed {drawn}")


def generation_options(
    *groups: RunOptions | DistributionOptions | PenaltyOptions | StopOptions,
    grammar: str | None = None,
) -> GenerationOptions:
    """Return the engine's options, with its defaults for those that no group has.

    Raises:
        DistilError: a stop sequence is not UTF-8.
        UsageError: a value is out of its range.
    """
    known = {field.name for field in fields(GenerationOptions)}
    given = {
        field.name: getattr(group, field.name)
        for group in groups
        for field in fields(group)
        if field.name in known
    }
    given["stop"] = tuple(
        text for group in groups if isinstance(group, StopOptions) for text in group.stop_texts
    )
    return GenerationOptions(**given, grammar=grammar)
