"""Generation options as JSON has them: in records, and in the lines of ``--lines json``."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ...engine.options import GenerationOptions, check_seed
from ...errors import DistilError, UsageError
from ..tasks.lines import Own

_NAMES = {field.name for field in fields(GenerationOptions)}
_OF_ALL_LINES = "num_beams"  # each line has as many texts, and the context as many sequences
_FORMAT = 'Write a JSON string, or an object such as {"prompt": "Hi", "temperature": 0.7}.'
_AS_IN_RECORDS = "Write options as they are in the output of `distil generate --json`."


def converted(name: str, value: Any) -> Any:
    """Return a value of JSON as an option has it.

    Raises:
        ValueError: it has another type. The message goes on after the name of the option.
    """
    default = getattr(GenerationOptions(), name)
    if name == "logit_bias":
        return _biases(value)
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ValueError("is not a list of texts")
        return tuple(value)
    if default is None:
        if value is not None and not isinstance(value, str):
            raise ValueError("is not a text")
    elif not _is_like(value, default):
        raise ValueError(f"can't be {value!r}")
    return value


def prompt_of(line: str, defaults: GenerationOptions) -> tuple[str, Own | None]:
    """Return the prompt of a line of JSON, and what the line asks for itself.

    Args:
        line: a string, or an object with ``prompt``, and any of ``seed`` and the options.
        defaults: the options that it does not name.

    Raises:
        DistilError: it is something else, or an option can't be used.
    """
    try:
        found = json.loads(line)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _refused("The text has an unpaired surrogate.") from None
    except (ValueError, RecursionError):
        raise _refused("It is not JSON.") from None
    if isinstance(found, str):
        return found, None
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str):
        raise _refused("It is neither a string nor an object with a prompt.")
    prompt = str(found.pop("prompt"))
    return prompt, _own(found, defaults) if found else None


def _own(given: Mapping[str, Any], defaults: GenerationOptions) -> Own:
    values = dict(given)
    seed = values.pop("seed", None)
    for name in values:
        if name == _OF_ALL_LINES:
            raise _refused(f"{name} can't be chosen for a single line.", "Use --num-beams for all.")
        if name not in _NAMES:
            raise _refused(f"There is no option {json.dumps(name[:100])}.", _AS_IN_RECORDS)
    try:
        options = replace(
            defaults,
            **{name: _checked(name, value) for name, value in values.items()},
        )
        if seed is not None:
            check_seed(_checked_seed(seed))
    except UsageError as error:
        # Those of one line are not options of the command line, which the error would name.
        raise DistilError(error.what, error.remedy) from None
    return Own(options, seed)


def _checked(name: str, value: Any) -> Any:
    try:
        return converted(name, value)
    except ValueError as error:
        raise _refused(f"{name} {error}.", _AS_IN_RECORDS) from None


def _checked_seed(seed: Any) -> int:
    if not _is_like(seed, 0):
        raise _refused(f"seed can't be {seed!r}.", _AS_IN_RECORDS)
    return int(seed)


def _biases(value: Any) -> tuple[tuple[int, float | None], ...]:
    try:
        biases = tuple((token, bias) for token, bias in value)
    except (TypeError, ValueError):
        biases = ((None, None),)
    for token, bias in biases:
        if not (_is_like(token, 0) and token >= 0 and (bias is None or _is_like(bias, 0.0))):
            raise ValueError("is not a list of tokens with biases")
    return biases


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, int | float if isinstance(default, float) else int)


def _refused(what: str, remedy: str = _FORMAT) -> DistilError:
    return DistilError(what, remedy)
