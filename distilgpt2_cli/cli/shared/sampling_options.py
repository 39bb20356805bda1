"""How texts are sampled: the options, declared once; the engine has their defaults and ranges."""

import re
from dataclasses import dataclass, fields
from typing import Annotated, Any

import typer

from ...engine.options import GenerationOptions
from ...errors import UsageError
from ...terminal import Terminal
from .escapes import NoEscape, option_texts
from .options import check_only_one

DEFAULTS = GenerationOptions()
_BIAS = re.compile(r"([0-9]{1,9})(-inf|[+-][0-9]*\.?[0-9]+)")

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
RepeatLastN = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Newest tokens that the three penalties count; 0 is off, -1 is the whole window.",
    ),
]
DryMultiplier = Annotated[
    float,
    typer.Option(
        metavar="X", help="Strength of the penalty for continuing a repetition (DRY); 0 is off."
    ),
]
DryBase = Annotated[
    float, typer.Option(metavar="X", help="Growth of that penalty with each repeated token.")
]
DryAllowedLength = Annotated[
    int, typer.Option(metavar="N", help="Repeat up to N tokens without that penalty.")
]
DryPenaltyLastN = Annotated[
    int,
    typer.Option(
        metavar="N", help="Newest tokens to look for repetitions in; -1 is the whole window."
    ),
]
DrySequenceBreaker = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help="Text that ends a repetition, in place of the defaults; can be repeated.",
        show_default="line end, colon, double quote, asterisk",
    ),
]
NoRepeatNgramSize = Annotated[
    int, typer.Option(metavar="N", help="Use no sequence of N tokens twice; 0 is off.")
]
LogitBias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID+X",
        help="Add X to the logit of a token; ID-X subtracts, ID-inf bans; can be repeated.",
    ),
]
Ban = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help=r"Never write this text; \n, \t and \\ are escapes; can be repeated.",
    ),
]
TopNSigma = Annotated[
    float,
    typer.Option(
        metavar="X",
        help="Exclude tokens X standard deviations of all logits below the top; 0 is off.",
    ),
]
TypicalP = Annotated[
    float,
    typer.Option(
        metavar="P",
        help="Sample from the most typical tokens with a total probability of P; 1 is off.",
    ),
]
XtcProbability = Annotated[
    float,
    typer.Option(metavar="P", help="Probability of excluding the top choices (XTC); 0 is off."),
]
XtcThreshold = Annotated[
    float,
    typer.Option(metavar="P", help="Top choices are tokens at least this likely, except the last."),
]
DynatempRange = Annotated[
    float,
    typer.Option(metavar="X", help="Vary the temperature by up to X, with the entropy; 0 is off."),
]
DynatempExponent = Annotated[
    float, typer.Option(metavar="X", help="Exponent of the entropy in --dynatemp-range.")
]
Mirostat = Annotated[
    int,
    typer.Option(metavar="N", help="Mirostat version 1 or 2, in place of all filters; 0 is off."),
]
MirostatTau = Annotated[
    float, typer.Option(metavar="X", help="Surprise that Mirostat aims at, in bits.")
]
MirostatEta = Annotated[float, typer.Option(metavar="X", help="Learning rate of Mirostat.")]
NumBeams = Annotated[
    int,
    typer.Option(
        metavar="N", help="Above 1, search for the likeliest texts with N beams; no seed is used."
    ),
]
LengthPenalty = Annotated[
    float,
    typer.Option(
        metavar="X", help="Above 0 favors long texts of a beam search, below 0 short ones."
    ),
]
EarlyStopping = Annotated[
    bool,
    typer.Option("--early-stopping", help="End a beam search when as many texts as beams ended."),
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
Echo = Annotated[bool, typer.Option("--echo", help="Print the prompt before each completion.")]


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
    repeat_last_n: RepeatLastN = DEFAULTS.repeat_last_n
    dry_multiplier: DryMultiplier = DEFAULTS.dry_multiplier
    dry_base: DryBase = DEFAULTS.dry_base
    dry_allowed_length: DryAllowedLength = DEFAULTS.dry_allowed_length
    dry_penalty_last_n: DryPenaltyLastN = DEFAULTS.dry_penalty_last_n
    dry_sequence_breaker: DrySequenceBreaker = None
    no_repeat_ngram_size: NoRepeatNgramSize = DEFAULTS.no_repeat_ngram_size
    logit_bias: LogitBias = None
    ban: Ban = None

    def values(self, *, literal: bool) -> dict[str, Any]:
        """Return the engine's options that are more than a number.

        Args:
            literal: a backslash stands for itself.

        Raises:
            DistilError: a text is not UTF-8.
            UsageError: a bias or an escape can't be read.
        """
        values: dict[str, Any] = {
            "logit_bias": tuple(_bias(each) for each in self.logit_bias or ()),
            "ban": _texts(self.ban, "--ban", literal=literal),
        }
        breakers = _texts(self.dry_sequence_breaker, "--dry-sequence-breaker", literal=literal)
        return values | ({"dry_sequence_breakers": breakers} if breakers else {})


@dataclass(frozen=True)
class SamplerOptions:
    """Further ways to draw a token, as llama.cpp has them."""

    top_n_sigma: TopNSigma = DEFAULTS.top_n_sigma
    typical_p: TypicalP = DEFAULTS.typical_p
    xtc_probability: XtcProbability = DEFAULTS.xtc_probability
    xtc_threshold: XtcThreshold = DEFAULTS.xtc_threshold
    dynatemp_range: DynatempRange = DEFAULTS.dynatemp_range
    dynatemp_exponent: DynatempExponent = DEFAULTS.dynatemp_exponent
    mirostat: Mirostat = DEFAULTS.mirostat
    mirostat_tau: MirostatTau = DEFAULTS.mirostat_tau
    mirostat_eta: MirostatEta = DEFAULTS.mirostat_eta


@dataclass(frozen=True)
class BeamOptions:
    """A search for the likeliest texts, as the transformers pipeline has it."""

    num_beams: NumBeams = DEFAULTS.num_beams
    length_penalty: LengthPenalty = DEFAULTS.length_penalty
    early_stopping: EarlyStopping = DEFAULTS.early_stopping


@dataclass(frozen=True)
class StopOptions:
    """Where a text ends."""

    stop: Stop = None
    no_escape: NoEscape = False

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """The texts of ``--stop``, without escapes."""
        return _texts(self.stop, "--stop", literal=self.no_escape)


@dataclass(frozen=True)
class EndOptions(StopOptions):
    """Where a text ends, and whether the end-of-text token ends it."""

    ignore_eos: IgnoreEos = DEFAULTS.ignore_eos


@dataclass(frozen=True)
class SamplingOptions(
    EndOptions, BeamOptions, PenaltyOptions, SamplerOptions, DistributionOptions, RunOptions
):
    """All sampling options."""

    def __post_init__(self) -> None:
        """Refuse what a beam search can't do."""
        if self.num_beams > 1:
            check_only_one({"--num-beams": True, "--parallel": self.parallel > 1})
            if self.num_sequences > self.num_beams:
                raise UsageError(
                    f"{self.num_beams} beams give no {self.num_sequences} texts.",
                    "Use --num-sequences up to --num-beams.",
                )


def notice_seed(terminal: Terminal, drawn: int) -> None:
    """Show a seed that was drawn, so that the run can be repeated."""
    terminal.notice(f"seed {drawn}")


def generation_options(*groups: object, grammar: str | None = None) -> GenerationOptions:
    """Return the engine's options, with its defaults for those that no group has.

    Args:
        groups: objects of the classes above.
        grammar: what the text follows.

    Raises:
        DistilError: a text is not UTF-8.
        UsageError: a value is out of its range, or can't be read.
    """
    known = {field.name for field in fields(GenerationOptions)}
    given = {
        name: value for group in groups for name, value in vars(group).items() if name in known
    }
    literal = any(group.no_escape for group in groups if isinstance(group, StopOptions))
    for group in groups:
        if isinstance(group, StopOptions):
            given["stop"] = group.stop_texts
        if isinstance(group, PenaltyOptions):
            given |= group.values(literal=literal)
    return GenerationOptions(**given, grammar=grammar)


def _texts(values: list[str] | None, option: str, *, literal: bool) -> tuple[str, ...]:
    return tuple(
        text for value in values or () for text in option_texts(value, option, literal=literal)
    )


def _bias(value: str) -> tuple[int, float | None]:
    """Return a token and what is added to its logit; None for never."""
    found = _BIAS.fullmatch(value)
    if not found:
        raise UsageError(
            f"--logit-bias can't be {value}.",
            "Use the id of a token and a number with its sign, such as 262+1.5, or 262-inf.",
        )
    token, bias = found.groups()
    return int(token), None if bias == "-inf" else float(bias)
