"""The parameters of a request for completions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.llama.model import Model
from ..engine.options import MAX_SEED, GenerationOptions, draw_seed
from .errors import invalid
from .fields import Fields, texts, texts_or_tokens
from .service import MAX_TEXTS, Service

MAX_LOGPROBS = 5
MAX_STOPS, MAX_STOP_CHARACTERS = 4, 1000
_MAX_INT = 2**31 - 1
_RANDOM = -1

# Those of OpenAI's API, which has no top-k.
_DEFAULTS = GenerationOptions(max_tokens=16, temperature=1.0, top_k=0)

_IGNORED = ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention")
# Fields of OpenAI's APIs that are not supported, with the values by which they ask for nothing.
_WITHOUT_EFFECT: Mapping[str, Sequence[Any]] = {
    "suffix": ("",),
    "logit_bias": ({},),
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

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of all prompts."""
        return sum(len(prompt.tokens) for prompt in self.prompts)


def parse(body: bytes, service: Service) -> CompletionCall:
    """Parse a request body; omitted fields have OpenAI's defaults.

    Raises:
        ApiError: a field is wrong, unknown or not supported.
    """
    fields = Fields.of_body(body)
    check_model(fields, service)
    n = fields.integer("n", 1, 1, MAX_TEXTS)
    echo, stream = fields.boolean("echo"), fields.boolean("stream")
    logprobs = fields.integer("logprobs", -1, 0, MAX_LOGPROBS)
    max_tokens = _max_tokens(fields, service.limits.max_tokens, echo=echo)
    call = CompletionCall(
        prompts=_prompts(fields, service, n),
        n=n,
        seed=_seed(fields),
        options=_options(fields, max(max_tokens, 1)),
        generates=max_tokens > 0,
        logprobs=logprobs if logprobs >= 0 else None,
        echo=echo,
        stream=stream,
        include_usage=_includes_usage(fields, stream),
        deterministic=fields.boolean("deterministic"),
    )
    fields.refuse("best_of", (n,))
    for name in _IGNORED:
        fields.take(name)
    for name, harmless in _WITHOUT_EFFECT.items():
        fields.refuse(name, harmless)
    fields.end()
    return call


def check_model(fields: Fields, service: Service) -> None:
    """Check that a request is for the model that is served, if it names one.

    Raises:
        ApiError: it is for another one.
    """
    name = fields.take("model")
    if name is not None:
        service.check_model(name)


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


def _prompts(fields: Fields, service: Service, n: int) -> list[Prompt]:
    value = fields.take("prompt")
    model, window = service.model, service.scheduler.window
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
    remedy = "For more, start the server with a larger --max-tokens."
    default = min(_DEFAULTS.max_tokens, most)
    max_tokens = fields.integer("max_tokens", default, 0, most, remedy)
    if max_tokens == 0 and not echo:
        raise invalid(
            "max_tokens", "max_tokens can be 0 only with echo. Use 1 or more, or set echo to true."
        )
    return max_tokens


def _options(fields: Fields, max_tokens: int) -> GenerationOptions:
    temperature = fields.number("temperature", _DEFAULTS.temperature, 0, 2)
    if 0 < temperature < 0.001:
        raise invalid("temperature", "temperature must be 0, or a number from 0.001 to 2.")
    return GenerationOptions(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=fields.integer("top_k", _DEFAULTS.top_k, 0, _MAX_INT),
        top_p=fields.number("top_p", _DEFAULTS.top_p, 0, 1),
        min_p=fields.number("min_p", _DEFAULTS.min_p, 0, 1),
        repetition_penalty=fields.number(
            "repetition_penalty", _DEFAULTS.repetition_penalty, 0.01, 100
        ),
        presence_penalty=fields.number("presence_penalty", _DEFAULTS.presence_penalty, -2, 2),
        frequency_penalty=fields.number("frequency_penalty", _DEFAULTS.frequency_penalty, -2, 2),
        stop=texts("stop", fields.take("stop"), MAX_STOPS, MAX_STOP_CHARACTERS),
        ignore_eos=fields.boolean("ignore_eos"),
    )


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
