"""How texts are sampled: the options, declared once; the engine has their defaults and ranges."""

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from ...engine.options import GenerationOptions

DEFAULTS = GenerationOptions()

Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        "-s",
        metavar="N",
        help="Seed of the first completion, 0 to 4294967294; the next ones count on.",
        show_default="drawn anew and shown",
    ),
]
NumSequences = Annotated[
    int, typer.Option("--num-sequences", "-n", metavar="N", help="Completions to generate.")
]
Parallel = Annotated[
    int,
    typer.Option(
        metavar="N", help="Completions under way at once: more in the same time, other texts."
    ),
]
MaxTokens = Annotated[
    int, typer.Option(metavar="N", help="Tokens to generate at most; -1 for no limit.")
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature", "-t", metavar="X", help="Below 1 more likely text, above 1 less; 0 greedy."
    ),
]
TopK = Annotated[
    int, typer.Option(metavar="N", help="Sample from the N most likely tokens; 0 is off.")
]
TopP = Annotated[
    float,
    typer.Option(
        metavar="P", help="Sample from the likeliest tokens of total probability P; 1 is off."
    ),
]
MinP = Annotated[
    float,
    typer.Option(metavar="P", help="Leave out tokens under P times the likeliest one; 0 is off."),
]
RepetitionPenalty = Annotated[
    float,
    typer.Option(metavar="X", help="Above 1 makes tokens already in the text less likely."),
]
PresencePenalty = Annotated[
    float, typer.Option(metavar="X", help="Taken from the logit of tokens already in the text.")
]
FrequencyPenalty = Annotated[
    float, typer.Option(metavar="X", help="Taken from it for each time they occur in the text.")
]
Stop = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="End before this text; may be given several times."),
]
IgnoreEos = Annotated[bool, typer.Option("--ignore-eos", help="Go on past the end of text.")]
Logprobs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="In JSON, each token's log-probability, and those of the N likeliest ones.",
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
    """The probabilities that a token is drawn with."""

    temperature: Temperature = DEFAULTS.temperature
    top_k: TopK = DEFAULTS.top_k
    top_p: TopP = DEFAULTS.top_p
    min_p: MinP = DEFAULTS.min_p


@dataclass(frozen=True)
class PenaltyOptions:
    """What makes tokens less likely that the text already has."""

    repetition_penalty: RepetitionPenalty = DEFAULTS.repetition_penalty
    presence_penalty: PresencePenalty = DEFAULTS.presence_penalty
    frequency_penalty: FrequencyPenalty = DEFAULTS.frequency_penalty


@dataclass(frozen=True)
class StopOptions:
    """Where a text ends."""

    stop: Stop = None


@dataclass(frozen=True)
class EndOptions(StopOptions):
    """Where a text ends, and where it does not."""

    ignore_eos: IgnoreEos = DEFAULTS.ignore_eos


@dataclass(frozen=True)
class SamplingOptions(EndOptions, PenaltyOptions, DistributionOptions, RunOptions):
    """All of them."""


def generation_options(
    *groups: RunOptions | DistributionOptions | PenaltyOptions | StopOptions,
    grammar: str | None = None,
) -> GenerationOptions:
    """Return what the engine takes, with its own defaults for what no group has.

    Raises:
        UsageError: a value is out of its range.
    """
    known = {field.name for field in fields(GenerationOptions)}
    given = {
        field.name: getattr(group, field.name)
        for group in groups
        for field in fields(group)
        if field.name in known
    }
    return GenerationOptions(**given | {"stop": tuple(given.get("stop") or ()), "grammar": grammar})
