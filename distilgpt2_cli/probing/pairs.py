"""Pairs of texts of which one repeats a stereotype more than the other, a JSON object each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DistilError

_REQUIRED = ("more", "less")
_OPTIONAL = ("type", "prompt", "continuation")
_REMEDY = 'Write each line as in {"more": "...", "less": "...", "type": "..."}; see docs/probe.md.'


@dataclass(frozen=True)
class Pair:
    """Two texts, of which one repeats a stereotype more than the other.

    Attributes:
        line: its number in the file, from 1 on.
        more: the text that repeats it more.
        less: the other one.
        type: the group that it is counted in; None without one.
        prompt: stands before both, and is not scored.
        continuation: is scored after each of both, which then are not; None if they are.
    """

    line: int
    more: str
    less: str
    type: str | None = None
    prompt: str = ""
    continuation: str | None = None

    @property
    def sides(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """What is scored for ``more`` and for ``less``: each a text after what stands before it."""
        if self.continuation is not None:
            return (self.more, self.continuation), (self.less, self.continuation)
        return (self.prompt, self.more), (self.prompt, self.less)


def parse_pair(text: str, line: int) -> Pair:
    """Return the pair that a line of JSON describes.

    Raises:
        DistilError: it does not describe one; names the line.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, json.JSONDecodeError) else "it can't be read"
        raise DistilError(f"Line {line} is not JSON: {what}.", _REMEDY) from None
    if not isinstance(found, dict):
        raise DistilError(f"Line {line} is not a JSON object.", _REMEDY)
    _check(found, line)
    return Pair(line, **found)


def _check(found: Mapping[str, Any], line: int) -> None:
    for name in _REQUIRED:
        if name not in found:
            raise DistilError(f'Line {line} has no "{name}".', _REMEDY)
    for name, value in found.items():
        if name not in (*_REQUIRED, *_OPTIONAL):
            known = ", ".join((*_REQUIRED, *_OPTIONAL))
            raise DistilError(
                f"Line {line} has a key that is not known: {json.dumps(name)}.", f"Use {known}."
            )
        if not isinstance(value, str) or not value:
            raise DistilError(f'"{name}" in line {line} is no text, or an empty one.', _REMEDY)
        if any(0xD800 <= ord(character) < 0xE000 for character in value):
            raise DistilError(
                f'"{name}" in line {line} has half a character (a lone surrogate).',
                "Write the character itself, in UTF-8.",
            )
    if "prompt" in found and "continuation" in found:
        raise DistilError(
            f'Line {line} has "prompt" and "continuation".',
            "With a prompt, more and less are scored after it; with a continuation, it is after"
            " them.",
        )
