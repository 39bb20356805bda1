"""The options of a model of ``llm``: a seed, and all that `GenerationOptions` has and checks."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Annotated, Any, Optional, get_origin, get_type_hints

import llm
from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    create_model,
    field_validator,
)
from pydantic_core import PydanticCustomError

from ..engine.options import MAX_SEED, GenerationOptions, check_seed
from ..errors import DistilError

_SEED = "seed"
_PARAGRAPH = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


class _CheckedOptions(llm.Options):
    """Options that `GenerationOptions` has, each in the range that it has there."""

    @field_validator("*")
    @classmethod
    def _check(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a value with the sentences of the engine's error."""
        try:
            if info.field_name == _SEED:
                check_seed(value)
            elif info.field_name is not None:
                GenerationOptions(**{info.field_name: value})
        except DistilError as error:
            raise _refusal(str(error)) from None
        return value


def chosen(options: llm.Options) -> tuple[GenerationOptions, int | None]:
    """Return the engine's options, and the seed if there is one.

    Raises:
        UsageError: options can't be combined.
    """
    given = options.model_dump(exclude_none=True)
    seed = given.pop(_SEED, None)
    return GenerationOptions(**given), seed


def _refusal(sentences: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{sentences}", {"sentences": sentences})


def _read_list(value: Any, read: Callable[[Any], Any]) -> Any:
    """Read an option of several values: one text, a list, or either as the text of JSON.

    The command line has only texts. An object stands for its pairs, as in OpenAI's ``logit_bias``.
    """
    for each in (_from_json(value), [value]):
        with suppress(ValidationError):
            return read(list(each.items()) if isinstance(each, Mapping) else each)
    raise _refusal(f"It can't be {value}. Use one value, or a JSON list.")


def _from_json(value: Any) -> Any:
    if isinstance(value, str):
        with suppress(ValueError):
            return json.loads(value)
    return value


def _definition(hint: Any, default: object, meaning: str) -> tuple[Any, Any]:
    kind: Any = Optional[hint]  # noqa: UP045 # None is "not given": llm keeps defaults of its own
    if get_origin(hint) is tuple:
        kind = Annotated[kind, WrapValidator(_read_list)]
    shown = "" if default in (None, ()) else f" Default: {json.dumps(default)}."
    return kind, Field(default=None, description=f"{meaning[:1].upper()}{meaning[1:]}{shown}")


def _meanings() -> Mapping[str, str]:
    documented = _PARAGRAPH.findall(inspect.getdoc(GenerationOptions) or "")
    return {name: " ".join(text.replace("``", "").split()) for name, text in documented}


def _definitions() -> Mapping[str, Any]:
    hints, meanings = get_type_hints(GenerationOptions), _meanings()
    seed = _definition(int, None, f"0 to {MAX_SEED}; random if it is not given.")
    return {_SEED: seed} | {
        each.name: _definition(hints[each.name], each.default, meanings.get(each.name, ""))
        for each in fields(GenerationOptions)
    }


Options: type[llm.Options] = create_model(
    "Options", __base__=_CheckedOptions, **dict(_definitions())
)
"""The options as ``llm`` knows them, all optional."""
