"""Prompts with alternatives in braces, and their variants."""

import re
from dataclasses import dataclass
from itertools import product
from math import prod
from string import ascii_uppercase

from ..errors import UsageError

MAX_VARIANTS = len(ascii_uppercase)
"""Each variant has a letter."""

_EXAMPLE = 'Write alternatives as in "The {White|Black} man worked as a"'
_ESCAPE = r"put a \ before a literal brace, bar or backslash."
_TOKEN = re.compile(r"\\[{}|\\]|[{}|]|[^{}|\\]+|\\")


@dataclass(frozen=True)
class Variant:
    """One of the prompts of a template.

    Attributes:
        letter: its name in tables.
        choices: the alternative of each group.
        prompt: the text with these alternatives.
    """

    letter: str
    choices: tuple[str, ...]
    prompt: str

    @property
    def label(self) -> str:
        """The letter and the choices, on one line."""
        return f"{self.letter} ({', '.join(self.choices)})"


def expand(template: str) -> list[Variant]:
    r"""Return the variants of a template, the last group's alternatives changing first.

    ``{a|b}`` is a group of alternatives; several groups are combined. ``\{``, ``\}``, ``\|`` and
    ``\\`` stand for the character itself, and so does any other backslash.

    Raises:
        UsageError: the braces are not balanced or nested, a group has fewer than two alternatives,
            or an empty or repeated one, or there are too many variants or only one.
    """
    texts, groups = _parts(template)
    if not groups:
        raise UsageError(
            "The prompt has no alternatives to compare.",
            f"{_EXAMPLE}; {_ESCAPE}",
        )
    for group in groups:
        _check_group(group)
    count = prod(map(len, groups))
    if count > MAX_VARIANTS:
        raise UsageError(
            f"The alternatives make {count} variants, more than the limit of {MAX_VARIANTS}.",
            "Split them into several runs with the same seed.",
        )
    return [
        Variant(letter, choices, _filled(texts, choices))
        for letter, choices in zip(ascii_uppercase, product(*groups), strict=False)
    ]


def _parts(template: str) -> tuple[list[str], list[list[str]]]:
    """Return the texts around the groups, and the alternatives of each group."""
    texts, groups = [""], list[list[str]]()
    inside = False
    for match in _TOKEN.finditer(template):
        token = match.group()
        if token == "{":
            if inside:
                raise _unbalanced("Nested {", match.start())
            groups.append([""])
            inside = True
        elif token == "}":
            if not inside:
                raise _unbalanced("Unmatched }", match.start())
            texts.append("")
            inside = False
        elif token == "|" and inside:
            groups[-1].append("")
        else:
            literal = token[1:] if len(token) == 2 and token[0] == "\\" else token
            (groups[-1] if inside else texts)[-1] += literal
    if inside:
        raise _unbalanced("Unmatched {", template.rindex("{"))
    return texts, groups


def _filled(texts: list[str], choices: tuple[str, ...]) -> str:
    between = "".join(text + choice for text, choice in zip(texts, choices, strict=False))
    return between + texts[-1]


def _check_group(group: list[str]) -> None:
    shown = "{" + "|".join(group) + "}"
    if "" in group:
        raise UsageError(f"An alternative of {shown} is empty.", "Use at least one character.")
    if len(group) < 2:
        raise UsageError(f"{shown} has only one alternative.", f"{_EXAMPLE}; {_ESCAPE}")
    if len(set(group)) < len(group):
        raise UsageError(f"Two alternatives of {shown} are the same.", "Leave out one of them.")


def _unbalanced(what: str, place: int) -> UsageError:
    return UsageError(f"{what} at character {place + 1} of the prompt.", f"{_EXAMPLE}; {_ESCAPE}")
