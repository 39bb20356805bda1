"""What goes into a generation and what comes out of it, as plain records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from .options import GenerationOptions

FinishReason = Literal["stop", "length", "eos", "interrupted"]
"""Why a completion ended."""

FINISH_REASONS: tuple[FinishReason, ...] = get_args(FinishReason)


class Candidate(NamedTuple):
    """A token that may come next; its probabilities as natural logarithms.

    Attributes:
        id: the token.
        logprob: in the model's own distribution.
        sampled_logprob: in the one that is drawn from, after penalties, temperature and filters;
            None if they leave the token out.
    """

    id: int
    logprob: float
    sampled_logprob: float | None


class Observation(NamedTuple):
    """What was known when a token was drawn.

    Attributes:
        drawn: the token.
        top: the most likely tokens of the model's own distribution, the likeliest first.
        left: how many tokens could have been drawn.
    """

    drawn: Candidate
    top: list[Candidate]
    left: int


class Draw(NamedTuple):
    """One step of a sampler.

    Attributes:
        token: the one that was drawn.
        observation: how likely it and its alternatives were, where that was asked for.
        may_end: whether the text may end after it, which only a grammar can forbid.
        must_end: whether it must, because nothing may follow.
    """

    token: int
    observation: Observation | None = None
    may_end: bool = True
    must_end: bool = False


class Token(NamedTuple):
    """One sampled token, and the text that can be shown since the token before it.

    The text is not always that of this token: a character may need several, and text that may be
    the beginning of a stop sequence waits until it is known not to be.

    Attributes:
        id: the token.
        text: what can be shown.
        observation: how likely it and its alternatives were, where that was asked for.
    """

    id: int
    text: str
    observation: Observation | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt to complete, as text or as tokens, with a seed.

    The caller may number prompts, such as by lines, and the completions of each: ``number`` and
    ``index`` mean nothing here and come back with the completion.

    Attributes:
        options: those of this completion; by default those of the generator.
        alternatives: observe each token with so many candidates; by default as the generator says.
    """

    prompt: str | Sequence[int]
    seed: int
    number: int = 1
    index: int = 0
    options: GenerationOptions | None = None
    alternatives: int | None = None


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """The tokens of a text whose mean hidden state is wanted."""

    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """The tokens of texts to score, each given those before it.

    Attributes:
        texts: of each text, one token at least, and at most as many as the context window holds.
            Several texts are evaluated together, which changes the last bits of their scores.
        top: report so many of the most likely tokens at each place.
        then: a completion of a single token, without a grammar or bans, to draw after the only
            text: it is not evaluated again for that.
    """

    texts: Sequence[Sequence[int]]
    top: int
    then: Request | None = None


@dataclass(frozen=True, slots=True)
class BeamRequest:
    """A prompt whose likeliest continuations are wanted.

    Attributes:
        request: the prompt as tokens, with its options.
        count: how many continuations, at most as many as beams.
    """

    request: Request
    count: int


class ScoredToken(NamedTuple):
    """A token of a text that was scored.

    Attributes:
        id: the token.
        logprob: the natural logarithm of its probability, given those before it; None for the
            first one.
        top: the most likely tokens at its place with their log-probabilities, the likeliest first.
    """

    id: int
    logprob: float | None
    top: Sequence[tuple[int, float]]
