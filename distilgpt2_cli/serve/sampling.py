"""The fields of a request that say how tokens are drawn, and what the text follows."""

from collections.abc import Mapping
from typing import Any

from ..engine.llama.model import Model
from ..engine.options import RANGES, GenerationOptions
from ..errors import DistilError, ParameterError
from .errors import invalid
from .fields import Fields, texts

MAX_STOPS, MAX_STOP_CHARACTERS = 128, 1000
MAX_BANS = 128

# Those of OpenAI's API, which has no top-k.
DEFAULTS = GenerationOptions(max_tokens=16, temperature=1.0, top_k=0)

_MAX_BEAMS = 64  # each takes the memory of a context window
_NARROWER = {
    "presence_penalty": (-2, 2),  # as OpenAI's API
    "frequency_penalty": (-2, 2),
    "num_beams": (1, _MAX_BEAMS),
}
_OF_LLAMA_CPP = {"repeat_penalty": "repetition_penalty"}
_OFF = {"top_n_sigma": -1}  # what llama.cpp takes for off, besides 0


def sampling_options(fields: Fields, model: Model, max_tokens: int) -> GenerationOptions:
    """Return the options of a completion; omitted fields have OpenAI's defaults.

    Raises:
        ApiError: a field is wrong.
    """
    given: dict[str, Any] = _numbers(fields)
    temperature = fields.number("temperature", DEFAULTS.temperature, 0, 2)
    if 0 < temperature < 0.001:
        raise invalid("temperature", "temperature must be 0, or a number from 0.001 to 2.")
    breakers = fields.take("dry_sequence_breakers")
    if breakers is not None:
        given["dry_sequence_breakers"] = texts("dry_sequence_breakers", breakers, MAX_STOPS, 100)
    try:
        return GenerationOptions(
            max_tokens=max_tokens,
            temperature=temperature,
            logit_bias=_logit_bias(fields, model),
            ban=texts("ban", fields.take("ban"), MAX_BANS, MAX_STOP_CHARACTERS),
            stop=texts("stop", fields.take("stop"), MAX_STOPS, MAX_STOP_CHARACTERS),
            ignore_eos=fields.boolean("ignore_eos"),
            grammar=_grammar(fields),
            early_stopping=fields.boolean("early_stopping"),
            **given,
        )
    except ParameterError as error:
        raise invalid(error.parameter, str(error)) from None
    except DistilError as error:
        raise invalid("grammar", str(error)) from None


def _numbers(fields: Fields) -> dict[str, float]:
    numbers = {}
    for name, usual in RANGES.items():
        low, high = _NARROWER.get(name, usual)
        low = min(low, _OFF.get(name, low))
        default = getattr(DEFAULTS, name)
        take = fields.integer if isinstance(default, int) else fields.number
        for other, own in _OF_LLAMA_CPP.items():
            if own == name:
                default = take(other, default, low, high)  # type: ignore[arg-type]
        numbers[name] = max(take(name, default, low, high), usual[0])  # type: ignore[arg-type]
    return numbers


def _logit_bias(fields: Fields, model: Model) -> tuple[tuple[int, float | None], ...]:
    """Return biases given in OpenAI's way, by token, or in llama.cpp's, as a list of pairs."""
    value = fields.take("logit_bias") or {}
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    is_list = isinstance(pairs, list) and all(isinstance(p, list | tuple) for p in pairs)
    if not is_list or not all(len(pair) == 2 for pair in pairs):
        raise invalid("logit_bias", "logit_bias must be an object of token ids with numbers.")
    by_id = isinstance(value, Mapping)
    return tuple(
        (token, _bias(bias)) for one, bias in pairs for token in _tokens(one, model, by_id=by_id)
    )


def _tokens(value: Any, model: Model, *, by_id: bool) -> list[int]:
    """Return the token of an id, or in llama.cpp's way the tokens of a text."""
    if by_id and isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    elif isinstance(value, str) and not by_id:
        return model.tokenize_bytes(value.encode(errors="replace"))
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid("logit_bias", "The keys of logit_bias must be token ids, such as 262.")
    if not 0 <= value < model.vocabulary_size:
        raise invalid(
            "logit_bias", f"Token ids in logit_bias must be from 0 to {model.vocabulary_size - 1}."
        )
    return [value]


def _bias(value: Any) -> float | None:
    if value is False:  # llama.cpp's word for never
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -100 <= value <= 100:
        raise invalid("logit_bias", "The biases in logit_bias must be numbers from -100 to 100.")
    return float(value)


def _grammar(fields: Fields) -> str | None:
    """Return what the text follows: a grammar, or what a JSON schema or choices give as one."""
    given = {name: fields.take(name) for name in ("grammar", "json_schema", "choices")}
    names = [name for name, value in given.items() if value not in (None, "", {}, [])]
    if len(names) > 1:
        raise invalid(names[1], f"{names[0]} and {names[1]} can't be combined.")
    if not names:
        return None
    (name,), value = names, given[names[0]]
    try:
        return _as_grammar(name, value)
    except DistilError as error:
        raise invalid(name, str(error)) from None


def _as_grammar(name: str, value: Any) -> str:
    if name == "grammar":
        if not isinstance(value, str):
            raise invalid("grammar", "grammar must be a text in GBNF.")
        return value
    if name == "json_schema":
        import json

        from ..engine.grammar.json_schema import to_grammar

        return to_grammar(json.dumps(value))
    from ..engine.grammar.choices import to_grammar as of_choices

    return of_choices(texts("choices", value, MAX_BANS, MAX_STOP_CHARACTERS))
