"""The fields of a JSON body, each checked as it is read."""

import json
import math
from collections.abc import Sequence
from typing import Any

from .errors import ApiError, invalid


class Fields:
    """The fields of one body. A field that is null counts as left out."""

    def __init__(self, body: bytes) -> None:
        """Parse the body.

        Raises:
            ApiError: it is no JSON object.
        """
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            raise ApiError(400, "The body is not JSON.", code="invalid_json") from None
        if not isinstance(fields, dict):
            raise ApiError(400, "The body is not a JSON object.", code="invalid_json")
        self._fields = {name: value for name, value in fields.items() if value is not None}

    def take(self, name: str) -> Any:
        """Return a field's value, or None; `end` then no longer finds it."""
        return self._fields.pop(name, None)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number of a range."""
        value = self.take(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise invalid(name, f"{name} must be a whole number from {low} to {high}.")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number of a range."""
        value = self.take(name)
        if value is None:
            return default
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or math.isnan(value) or not low <= value <= high:
            raise invalid(name, f"{name} must be a number from {low:g} to {high:g}.")
        return float(value)

    def boolean(self, name: str) -> bool:
        """Return whether a field is true; left out, it is false."""
        value = self.take(name)
        if value is not None and not isinstance(value, bool):
            raise invalid(name, f"{name} must be true or false.")
        return bool(value)

    def refuse(self, name: str, harmless: Sequence[Any]) -> None:
        """See to it that a field that is not supported asks for nothing."""
        value = self.take(name)
        if value is not None and value not in harmless:
            raise invalid(name, f"{name} is not supported here.", "unsupported_parameter")

    def end(self) -> None:
        """See to it that every field was read."""
        for name in self._fields:
            raise invalid(name[:100], f"Unrecognized field: {name[:100]}.", "unknown_parameter")


def texts_or_tokens(
    name: str, value: Any, vocabulary_size: int, most: int
) -> list[str | list[int]]:
    """Return what stands in a field for texts: a text or its tokens, or a list of either.

    Raises:
        ApiError: it is something else, empty, or of more than ``most`` texts.
    """
    if isinstance(value, str) or _is_tokens(value):
        value = [value]
    if not isinstance(value, list) or not value:
        raise invalid(
            name,
            f"{name} must be a text, a list of texts, a list of token numbers, or a list of lists"
            " of them, and not empty.",
        )
    if len(value) > most:
        raise invalid(name, f"{name} has {len(value)} texts: at most {most} are taken at once.")
    for each in value:
        if isinstance(each, str):
            _check_text(name, each)
        elif not _is_tokens(each):
            raise invalid(name, f"{name} must hold texts, or lists of token numbers.")
        elif not all(0 <= token < vocabulary_size for token in each):
            raise invalid(name, f"A token number in {name} is not from 0 to {vocabulary_size - 1}.")
    return value


def texts(name: str, value: Any, most: int, longest: int) -> tuple[str, ...]:
    """Return a field of a text or a list of at most so many, none of them empty."""
    if value is None:
        return ()
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list) or len(several) > most:
        raise invalid(name, f"{name} must be a text or a list of at most {most}.")
    for each in several:
        if not isinstance(each, str) or not 0 < len(each) <= longest:
            raise invalid(name, f"{name} must hold texts of 1 to {longest} characters.")
        _check_text(name, each)
    return tuple(several)


def _is_tokens(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, int) and not isinstance(each, bool) for each in value)
    )


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(name, f"{name} has half of a surrogate pair, which is no text.") from None
