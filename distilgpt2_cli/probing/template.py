"""Prompts with alternatives in braces, and the variants that they stand for."""

import re
from dataclasses import dataclass
from itertools import product
from math import prod
from string import ascii_uppercase

from ..errors import UsageError

MAX_VARIANTS = len(ascii_uppercase)
"""Each has a letter."""

_EXAMPLE = 'Write them as in "The {White|Black} man worked as a"'
_ESCAPE = r"a brace, bar or backslash that is meant itself has a \ before it."
_TOKEN = re.compile(r"\\[{}|\\]|[{}|]|[^{}|\\]+|\\")


@dataclass(frozen=True)
class Variant:
    """One of the prompts that a template stands for.

    Attributes:
        letter: its name in tables.
        choices: what was chosen in each group.
        prompt: the text with the choices in it.
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

    ``{a|b}`` is a group of alternatives; several groups multiply. ``\{``, ``\}``, ``\|`` and
    ``\\`` stand for the character itself, and any other backslash too.

    Raises:
        UsageError: the braces are not balanced or one within another, a group has fewer than two
            alternatives, or an empty or repeated one, or there are too many variants or only one.
    """
    texts, groups = _parts(template)
    if not groups:
        raise UsageError(
            "The prompt has no alternatives, so there is one variant only.",
            f"{_EXAMPLE}; {_ESCAPE}",
        )
    for group in groups:
        _check_group(group)
    count = prod(map(len, groups))
    if count > MAX_VARIANTS:
        raise UsageError(
            f"The alternatives make {count} variants, which are too many.",
            f"Use at most {MAX_VARIANTS}, or several runs with the same seed.",
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
                raise _unbalanced("A { stands within braces", match.start())
            groups.append([""])
            inside = True
        elif token == "}":
            if not inside:
                raise _unbalanced("A } has no { before it", match.start())
            texts.append("")
            inside = False
        elif token == "|" and inside:
            groups[-1].append("")
        else:
            literal = token[1:] if len(token) == 2 and token[0] == "\\" else token
            (groups[-1] if inside else texts)[-1] += literal
    if inside:
        raise _unbalanced("A { has no } after it", template.rindex("{"))
    return texts, groups


def _filled(texts: list[str], choices: tuple[str, ...]) -> str:
    between = "".join(text + choice for text, choice in zip(texts, choices, strict=False))
    return between + texts[-1]


def _check_group(group: list[str]) -> None:
    shown = "{" + "|".join(group) + "}"
    if "" in group:
        raise UsageError(f"An alternative of {shown} is empty.", "Give it at least one character.")
    if len(group) < 2:
        raise UsageError(f"{shown} has one alternative only.", f"{_EXAMPLE}; {_ESCAPE}")
    if len(set(group)) < len(group):
        raise UsageError(f"Two alternatives of {shown} are the same.", "Leave one of them out.")


def _unbalanced(what: str, place: int) -> UsageError:
    return UsageError(f"{what}, at character {place + 1} of the prompt.", f"{_EXAMPLE}; {_ESCAPE}")
