"""Pairs of texts, one more stereotypical than the other, each a JSON object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DistilError

_REQUIRED = ("more", "less")
_OPTIONAL = ("type", "prompt", "continuation")
_REMEDY = 'Write each line like {"more": "...", "less": "...", "type": "..."}; see docs/probe.md.'


@dataclass(frozen=True)
class Pair:
    """Two texts, one more stereotypical than the other.

    Attributes:
        line: its line number in the file, from 1.
        more: the more stereotypical text.
        less: the other text.
        type: the group that it is counted in; None for no group.
        prompt: the text before both, which is not scored.
        continuation: if given, it is scored after each text, and the texts are not scored.
    """

    line: int
    more: str
    less: str
    type: str | None = None
    prompt: str = ""
    continuation: str | None = None

    @property
    def sides(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """What is scored for ``more`` and for ``less``: each a context, and the text after it."""
        if self.continuation is not None:
            return (self.more, self.continuation), (self.less, self.continuation)
        return (self.prompt, self.more), (self.prompt, self.less)


def parse_pair(text: str, line: int) -> Pair:
    """Return the pair that a line of JSON describes.

    Raises:
        DistilError: the line is not a valid pair; gives its number.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, json.JSONDecodeError) else "it can't be parsed"
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
                f"Line {line} has an unknown key: {json.dumps(name)}.", f"Use {known}."
            )
        if not isinstance(value, str) or not value:
            raise DistilError(f'"{name}" in line {line} is empty or not a text.', _REMEDY)
        if any(0xD800 <= ord(character) < 0xE000 for character in value):
            raise DistilError(
                f'"{name}" in line {line} has half a character (a lone surrogate).',
                "Write the character itself, in UTF-8.",
            )
    if "prompt" in found and "continuation" in found:
        raise DistilError(
            f'Line {line} has both "prompt" and "continuation".',
            "Use one of them; see docs/probe.md.",
        )
