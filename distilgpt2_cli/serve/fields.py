"""The fields of a JSON body, each checked as it is read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from .errors import ApiError, invalid


class Fields:
    """The fields of one object. A field that is null counts as left out."""

    def __init__(self, fields: Mapping[str, Any], parent: str | None = None) -> None:
        """Take the fields; ``parent`` is the field whose value they are, to name in errors."""
        self._fields = {name: value for name, value in fields.items() if value is not None}
        self._parent = parent

    @classmethod
    def of_body(cls, body: bytes) -> "Fields":
        """Parse the body of a request.

        Raises:
            ApiError: it is not a JSON object.
        """
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            raise ApiError(
                400, "The request body is not valid JSON.", code="invalid_json"
            ) from None
        if not isinstance(fields, dict):
            raise ApiError(400, "The request body is not a JSON object.", code="invalid_json")
        return cls(fields)

    def take(self, name: str) -> Any:
        """Return a field's value, or None, and count the field as known."""
        return self._fields.pop(name, None)

    def part(self, name: str) -> "Fields":
        """Return the fields of the object that is a field's value; left out, it has none."""
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            raise self._invalid(name, f"{name} must be an object.")
        return Fields(value or {}, name)

    def integer(self, name: str, default: int, low: int, high: int, remedy: str = "") -> int:
        """Return a whole number within a range; ``remedy`` is a sentence for other numbers."""
        value = self.take(name)
        if value is None:
            return default
        if not _is_whole(value) or not low <= value <= high:
            message = f"{name} must be a whole number from {low} to {high}. {remedy}".rstrip()
            raise self._invalid(name, message)
        return int(value)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number within a range."""
        value = self.take(name)
        if value is None:
            return default
        is_number = isinstance(value, float) or _is_whole(value)
        if not is_number or not low <= value <= high:  # as NaN is not
            raise self._invalid(name, f"{name} must be a number from {low:g} to {high:g}.")
        return float(value)

    def boolean(self, name: str, default: bool = False) -> bool:
        """Return whether a field is true."""
        value = self.take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._invalid(name, f"{name} must be true or false.")
        return value

    def refuse(self, name: str, harmless: Sequence[Any], reason: str = "") -> None:
        """Check that a field that is not supported has a value without effect.

        Args:
            name: of the field.
            harmless: these values.
            reason: why it is not supported, and what to do instead.
        """
        value = self.take(name)
        if value is not None and value not in harmless:
            why = f": {reason}" if reason else ". Leave it out."
            raise self._invalid(name, f"{name} is not supported{why}", "unsupported_parameter")

    def end(self, *, strict: bool = True) -> list[str]:
        """Return the names of the fields that nobody has asked for, as they can be shown.

        Raises:
            ApiError: there is one, and ``strict`` says that all must be known.
        """
        names = [name if name.isprintable() else repr(name) for name in self._fields]
        if names and strict:
            name = names[0][:100]
            raise self._invalid(
                name, f"Unknown field: {name}. Check its spelling.", "unknown_parameter"
            )
        return names

    def _invalid(self, name: str, message: str, code: str | None = None) -> ApiError:
        return invalid(self._parent or name, message, code)


def texts_or_tokens(
    name: str, value: Any, vocabulary_size: int, most: int
) -> list[str | list[int]]:
    """Return the value of a field for texts as a list; each is a string or a list of token ids.

    Raises:
        ApiError: it is something else, empty, or of more than ``most`` texts.
    """
    if isinstance(value, str) or is_tokens(value):
        value = [value]
    if not isinstance(value, list) or not value:
        raise invalid(
            name,
            f"{name} must be a string, a list of strings, a list of token ids, or a list of lists"
            " of token ids, and must not be empty.",
        )
    if len(value) > most:
        raise invalid(name, f"{name} has {len(value)} texts. At most {most} are allowed.")
    for each in value:
        if isinstance(each, str):
            _check_text(name, each)
        elif not is_tokens(each):
            raise invalid(name, f"{name} may only contain strings, or lists of token ids.")
        elif not all(0 <= token < vocabulary_size for token in each):
            raise invalid(name, f"Token ids in {name} must be from 0 to {vocabulary_size - 1}.")
    return [each if isinstance(each, str) else list(map(int, each)) for each in value]


def texts(name: str, value: Any, most: int, longest: int) -> tuple[str, ...]:
    """Return the value of a field for a string or a list of strings, none of them empty.

    Raises:
        ApiError: it is something else, or too many or too long.
    """
    if value is None:
        return ()
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list) or len(several) > most:
        raise invalid(name, f"{name} must be a string, or a list of at most {most} strings.")
    for each in several:
        if not isinstance(each, str) or not 0 < len(each) <= longest:
            raise invalid(name, f"Each string in {name} must have 1 to {longest} characters.")
        _check_text(name, each)
    return tuple(several)


def is_tokens(value: Any) -> bool:
    """Return whether a value is a list of whole numbers, at least one."""
    return isinstance(value, list) and bool(value) and all(map(_is_whole, value))


def _is_whole(value: Any) -> TypeGuard[int | float]:
    """Return whether a value is a whole number, as 2.0 is: JSON has one kind of numbers."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(name, f"{name} is not valid text: it has an unpaired surrogate.") from None
