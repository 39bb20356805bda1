"""Pairs of texts, one more stereotypical than the other, and what a file says of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import DistilError

_REQUIRED = ("more", "less")
OPTIONAL = ("type", "prompt", "continuation")
PAIR_REMEDY = 'Write each line like {"more": "...", "less": "...", "type": "..."}.'

RESULTS = ("line", "more_logprob", "less_logprob", "difference")
"""What the results of a pair are called, beside what its file says."""


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
        extra: what else the file says of it, by name: values of JSON.
    """

    line: int
    more: str
    less: str
    type: str | None = None
    prompt: str = ""
    continuation: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """What is scored for ``more`` and for ``less``: each a context, and the text after it."""
        if self.continuation is not None:
            return (self.more, self.continuation), (self.less, self.continuation)
        return (self.prompt, self.more), (self.prompt, self.less)


def extra_names(pairs: Sequence[Pair]) -> list[str]:
    """Return the names of what else the file says of the pairs, in the order of the file."""
    return list(dict.fromkeys(name for pair in pairs for name in pair.extra))


def parse_pair(text: str, line: int) -> Pair:
    """Return the pair that a line of JSON describes.

    Raises:
        DistilError: the line is not a valid pair; gives its number.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, json.JSONDecodeError) else "it can't be parsed"
        raise DistilError(f"Line {line} is not JSON: {what}.", PAIR_REMEDY) from None
    if not isinstance(found, dict):
        raise DistilError(f"Line {line} is not a JSON object.", PAIR_REMEDY)
    return pair_of(found, line)


def pair_of(found: Mapping[str, Any], line: int) -> Pair:
    """Return the pair that named values describe; unknown names are its `extra`.

    Raises:
        DistilError: they are not a valid pair; gives its line.
    """
    for name in _REQUIRED:
        if name not in found:
            raise DistilError(f'Line {line} has no "{name}".', PAIR_REMEDY)
    known = {name: found[name] for name in (*_REQUIRED, *OPTIONAL) if name in found}
    for name, value in known.items():
        if not isinstance(value, str) or not value:
            raise DistilError(f'"{name}" in line {line} is empty or not a text.', PAIR_REMEDY)
        if any(0xD800 <= ord(character) < 0xE000 for character in value):
            raise DistilError(
                f'"{name}" in line {line} has half a character (a lone surrogate).',
                "Write the character itself, in UTF-8.",
            )
    if "prompt" in found and "continuation" in found:
        raise DistilError(
            f'Line {line} has both "prompt" and "continuation".',
            "Use one of them.",
        )
    for name in RESULTS:
        if name in found:
            raise DistilError(
                f'"{name}" in line {line} is the name of a result.', "Give it another name."
            )
    extra = {name: value for name, value in found.items() if name not in known}
    for name, value in extra.items():
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise DistilError(
                f'"{name}" in line {line} has a number that JSON does not have.', "Leave it out."
            ) from None
    return Pair(line, **known, extra=extra)
