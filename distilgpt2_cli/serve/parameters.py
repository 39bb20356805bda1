"""The parameters of a request for completions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.llama.model import Model
from ..engine.options import MAX_SEED, GenerationOptions, draw_seed
from .adapters import adapter_scales
from .errors import invalid
from .fields import Fields, texts_or_tokens
from .offer import MAX_TEXTS, NO_LIMIT, Offer
from .sampling import DEFAULTS, sampling_options

MAX_LOGPROBS = 20
_RANDOM = -1

_IGNORED = ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention")
# Fields of OpenAI's APIs that are not supported, with the values by which they ask for nothing.
_WITHOUT_EFFECT: Mapping[str, Sequence[Any]] = {
    "store": (False,),
    "metadata": ({},),
    "service_tier": ("auto", "default"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as its tokens, and as the text that ``echo`` shows."""

    tokens: Sequence[int]
    text: str


@dataclass(frozen=True, slots=True)
class CompletionCall:
    """A checked request for completions.

    Attributes:
        prompts: what to complete, each ``n`` times.
        n: completions of each prompt.
        seed: of the first completion; each further one has the next seed.
        options: how they are generated.
        generates: whether they are; otherwise the answer has the prompts only.
        logprobs: alternatives to report for each token, or None for no log-probabilities.
        echo: whether each text begins with its prompt.
        stream: whether text is sent as it is generated.
        include_usage: whether a stream ends with the token counts.
        deterministic: whether each completion is decoded by itself, not in a batch.
        best_of: completions to make of each prompt; the ``n`` likeliest of them are the answer.
        scores_together: whether prompts are scored together, and not each by itself.
        ignored: the names of fields that are not known here.
        scales: of the model's adapters.
    """

    prompts: Sequence[Prompt]
    n: int
    seed: int
    options: GenerationOptions
    generates: bool
    logprobs: int | None
    echo: bool
    stream: bool
    include_usage: bool
    deterministic: bool
    best_of: int
    scores_together: bool
    ignored: Sequence[str]
    scales: tuple[float, ...] = ()

    @property
    def alternatives(self) -> int | None:
        """With how many candidates each token is observed: to choose texts, log-probabilities."""
        return 0 if self.logprobs is None and self.best_of > self.n else self.logprobs

    @property
    def draws_after_scores(self) -> bool:
        """Whether each text is one token, which can be drawn when its prompt has been scored."""
        options = self.options
        return (
            self.echo
            and self.logprobs is not None
            and self.generates
            and (options.max_tokens, self.best_of) == (1, 1)
            and not (self.scores_together or self.deterministic)
            and not (options.grammar or options.bans)
        )

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of all prompts."""
        return sum(len(prompt.tokens) for prompt in self.prompts)


def parse(body: bytes, offer: Offer) -> CompletionCall:
    """Parse the body of a request for completions; omitted fields have OpenAI's defaults.

    Raises:
        ApiError: it is not a JSON object, or a field is wrong or not supported.
    """
    return completion_call(Fields.of_body(body), offer)


def completion_call(fields: Fields, offer: Offer) -> CompletionCall:
    """Return what the fields of a body ask for.

    Raises:
        ApiError: a field is wrong, unknown or not supported.
    """
    check_model(fields, offer)
    n = fields.integer("n", 1, 1, MAX_TEXTS)
    best_of = fields.integer("best_of", n, 1, MAX_TEXTS)
    echo, stream = fields.boolean("echo"), fields.boolean("stream")
    logprobs = fields.integer("logprobs", -1, 0, MAX_LOGPROBS)
    max_tokens = _max_tokens(fields, offer.max_tokens, echo=echo)
    call = CompletionCall(
        prompts=_prompts(fields, offer, best_of),
        n=n,
        seed=_seed(fields),
        options=sampling_options(fields, offer.model, max(max_tokens, 1)),
        generates=max_tokens > 0,
        logprobs=logprobs if logprobs >= 0 else None,
        echo=echo,
        stream=stream,
        include_usage=_includes_usage(fields, stream),
        deterministic=fields.boolean("deterministic"),
        best_of=best_of,
        scores_together=fields.boolean("score_together", offer.score_together),
        scales=adapter_scales(fields, offer),
        ignored=_ignored(fields, offer),
    )
    _check_together(call)
    return call


def _check_together(call: CompletionCall) -> None:
    """Check what fields that are right by themselves ask for together.

    Raises:
        ApiError: they can't be combined.
    """
    n, beams, best_of = call.n, call.options.num_beams, call.best_of
    if best_of < n:
        raise invalid("best_of", f"best_of must be n or more, and n is {n}.")
    if best_of > n and (call.stream or not call.generates):
        raise invalid(
            "best_of", "best_of chooses among whole texts: use neither stream nor 0 tokens."
        )
    if beams > 1 and n > beams:
        raise invalid("n", f"{beams} beams give no {n} texts: n must be num_beams or less.")
    if beams > 1 and (best_of > n or call.logprobs is not None):
        raise invalid("num_beams", "num_beams can't be combined with best_of or logprobs.")


def _ignored(fields: Fields, offer: Offer) -> list[str]:
    """Return the fields that are left and not known here, after refusing what can't be obeyed."""
    fields.refuse(
        "suffix", ("",), "the model continues texts, and can't fill in what is between two."
    )
    for name in _IGNORED:
        fields.take(name)
    for name, harmless in _WITHOUT_EFFECT.items():
        fields.refuse(name, harmless)
    return fields.end(strict=offer.strict)


def check_model(fields: Fields, offer: Offer) -> None:
    """Check that a request is for the model that answers, if it names one.

    Raises:
        ApiError: it is for another one.
    """
    name = fields.take("model")
    if name is not None:
        offer.check_model(name)


def tokenized(name: str, value: str | list[int], model: Model, window: int) -> list[int]:
    """Return the tokens of a text; for an empty text, the model's start token.

    Raises:
        ApiError: they are more than the context window holds.
    """
    tokens = model.tokenize(value) if isinstance(value, str) else value
    if len(tokens) > window:
        raise invalid(
            name,
            f"A text in {name} has {len(tokens)} tokens, more than the context window of {window}."
            " Shorten it.",
            "context_length_exceeded",
        )
    return tokens or [model.start_token]


def _prompts(fields: Fields, offer: Offer, n: int) -> list[Prompt]:
    value = fields.take("prompt")
    model, window = offer.model, offer.window
    values = texts_or_tokens(
        "prompt", "" if value is None else value, model.vocabulary_size, MAX_TEXTS // n
    )
    return [
        Prompt(
            tokenized("prompt", each, model, window),
            each if isinstance(each, str) else _text(model, each),
        )
        for each in values
    ]


def _text(model: Model, tokens: Sequence[int]) -> str:
    return b"".join(map(model.piece, tokens)).decode(errors="replace")


def _max_tokens(fields: Fields, most: int, *, echo: bool) -> int:
    remedy = "" if most == NO_LIMIT else "For more, start the server with a larger --max-tokens."
    default = min(DEFAULTS.max_tokens, most)
    max_tokens = fields.integer("max_tokens", default, 0, most, remedy)
    if max_tokens == 0 and not echo:
        raise invalid(
            "max_tokens", "max_tokens can be 0 only with echo. Use 1 or more, or set echo to true."
        )
    return max_tokens


def _includes_usage(fields: Fields, stream: bool) -> bool:
    options = fields.part("stream_options")
    wanted = options.boolean("include_usage")
    options.refuse("include_obfuscation", (False,))
    options.end()
    if wanted and not stream:
        raise invalid("stream_options", "stream_options is only allowed when stream is true.")
    return wanted


def _seed(fields: Fields) -> int:
    seed = fields.integer("seed", _RANDOM, _RANDOM, MAX_SEED)
    return draw_seed() if seed == _RANDOM else seed
