"""Groups of options: each declared once as a dataclass, and passed to commands as one value."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def flattened(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command in the form that Typer expects: with one parameter for each option.

    A parameter whose type is a dataclass is a group: each field is an option, with its default
    from the parameter's default; one that has none is required.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters = list(signature.parameters.values())
    groups = {each.name: each for each in parameters if is_dataclass(each.annotation)}

    @wraps(command)
    def with_groups(**values: Any) -> None:
        chosen = {
            name: group.annotation(
                **{field.name: values.pop(field.name) for field in fields(group.annotation)}
            )
            for name, group in groups.items()
        }
        command(**values, **chosen)

    options = [
        option
        for parameter in parameters
        for option in (_options(parameter) if parameter.name in groups else [parameter])
    ]
    vars(with_groups)["__signature__"] = signature.replace(
        parameters=[option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]
    )
    with_groups.__annotations__ = {option.name: option.annotation for option in options}
    return with_groups


def _options(group: inspect.Parameter) -> list[inspect.Parameter]:
    hints = get_type_hints(group.annotation, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=_default(group, field),
        )
        for field in fields(group.annotation)
    ]


def _default(group: inspect.Parameter, field: "Field[Any]") -> Any:
    default = getattr(group.default, field.name, field.default)
    return inspect.Parameter.empty if default is MISSING else default
