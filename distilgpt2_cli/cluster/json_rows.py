"""Rows of lines of JSON: objects with a text in a column, and an identifier in another one."""

import json
from typing import Any

from .rows import Identifier, Row

_ESCAPE = "\\u"  # only so does a line have a surrogate: UTF-8 has none
_NUMBERS = (int, float)


class JsonRows:
    """Makes rows of lines."""

    def __init__(self, column: str, identifier: str | None) -> None:
        """Take the names of the columns."""
        self._column = column
        self._identifier = identifier
        example = json.dumps({column: "Hi"}, ensure_ascii=False)
        self._remedy = f"Write an object such as {example}."

    def row(self, number: int, line: str) -> Row:
        """Return the row of a line, with a problem if it has no text."""
        found = object_of(line)
        if isinstance(found, str):
            return Row(number, "", None, (found, self._remedy))
        own: Identifier = None
        if self._identifier is not None:
            own = found.get(self._identifier, self)
            if not isinstance(own, _NUMBERS):
                problem = self._problem_of_identifier(own)
                if problem:
                    return Row(number, "", None, problem)
        text = found.get(self._column, self)
        if not isinstance(text, str):
            name = json.dumps(self._column, ensure_ascii=False)
            what = f"It has no {name}." if text is self else f"Its {name} is not a text."
            return Row(number, "", own, (what, self._remedy))
        if _ESCAPE in line and not _is_valid(text):
            problem = ("The text has an unpaired surrogate.", "Write the character in UTF-8.")
            return Row(number, "", own, problem)
        return Row(number, text, own)

    def _problem_of_identifier(self, value: Any) -> tuple[str, str] | None:
        name = json.dumps(self._identifier, ensure_ascii=False)
        remedy = "Identify rows by a text or a number."
        if value is self:
            return f"It has no {name}.", remedy
        if not (value is None or isinstance(value, str)):
            return f"Its {name} is not a text or a number.", remedy
        if value and not _is_valid(value):
            return f"Its {name} has an unpaired surrogate.", "Write the character in UTF-8."
        return None


def object_of(line: str) -> dict[str, Any] | str:
    """Return the object that a line is in JSON, or a sentence that says why it is none."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return "It is not JSON."
    except RecursionError:
        return "It is nested too deeply."
    except ValueError:  # Python does not convert an integer of thousands of digits
        found = json.loads(line, parse_int=_integer)
    return found if isinstance(found, dict) else "It is not an object of JSON."


def _integer(digits: str) -> Any:
    try:
        return int(digits)
    except ValueError:
        return (digits,)  # whose place is not that of a text or an identifier


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
