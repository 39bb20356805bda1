"""Grammars in GBNF, read before llama.cpp gets them.

llama.cpp's own parser names no line, and some grammars that it takes end the process or never let
it return: hidden left recursion, a reversed range of repetitions, a group in thousands
of others. So a grammar is read and judged here, and llama.cpp is given the same language in plain
rules: without groups, with sets of characters that are nothing but characters of UTF-8.

The notation is that of ``grammars/README.md`` in llama.cpp.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...errors import UsageError

Ranges = tuple[tuple[int, int], ...]
"""A set of characters: sorted ranges of code points, first and last, that do not touch."""

ALL: Ranges = ((0x1, 0xD7FF), (0xE000, 0x10FFFF))
"""What UTF-8 can spell, but for NUL, which ends a text in C."""

MAX_REPETITIONS = 2000
"""The most that llama.cpp repeats; it takes a higher maximum for none at all."""

_SPACE = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_SPACE_AND_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_NAME = re.compile(r"[a-zA-Z0-9-]+")
_REPETITIONS = re.compile(r"\{\s*(\d+)\s*(?:(,)\s*(\d+)?\s*)?\}")
_ESCAPE = re.compile(r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([trn\\"\[\]-]))')
_NAMED_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}
_SIGNS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class GrammarError(UsageError):
    """A grammar that can't be used, with the line where that shows."""

    def __init__(self, line: int, reason: str) -> None:
        """Take the line, counted from 1, and a clause that says what is wrong there."""
        super().__init__(
            f"Line {line} of the grammar can't be used: {reason}.",
            "Correct that line; the notation is llama.cpp's GBNF.",
        )
        self.line = line
        self.reason = reason


@dataclass(slots=True)
class Item:
    """Characters, or a rule by its number, and how often it stands there; None: without end."""

    line: int
    chars: Ranges = ()
    rule: int | None = None
    low: int = 1
    high: int | None = 1


@dataclass(slots=True)
class Rule:
    """A rule, or a group in one: its alternatives, each of them items in a row."""

    name: str
    line: int
    alternatives: list[list[Item]] = field(default_factory=lambda: [[]])
    defined: bool = False


def read(text: str) -> list[Rule]:
    """Return the rules of a grammar, those of its groups among them, ``root`` as the first.

    Raises:
        GrammarError: the text is not a grammar, or a rule is missing.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self._rules = [Rule("root", 1)]
        self._numbers = {"root": 0}

    def read(self) -> list[Rule]:
        nul = self._text.find("\0")
        if nul >= 0:
            self._at = nul
            raise self._error("it contains the character NUL")
        self._skip(_SPACE_AND_LINES)
        while self._at < len(self._text):
            self._read_rule()
            self._skip(_SPACE_AND_LINES)
        for rule in self._rules:
            if not rule.defined:
                raise GrammarError(rule.line, f"there is no rule {rule.name!r}")
        return self._rules

    def _read_rule(self) -> None:
        name = self._match(_NAME)
        if name is None:
            raise self._error("the name of a rule is missing")
        number = self._number(name)
        rule = self._rules[number]
        if rule.defined:
            raise self._error(f"rule {name!r} is defined a second time")
        rule.line, rule.defined = self._line(), True
        self._skip(_SPACE)
        if not self._text.startswith("::=", self._at):
            raise self._error("::= is missing after the name of a rule")
        self._at += 3
        self._skip(_SPACE_AND_LINES)
        self._read_alternatives(rule)
        if self._at < len(self._text) and self._text[self._at] not in "\r\n":
            raise self._error(f"{self._text[self._at]!r} is unexpected there")

    def _read_alternatives(self, rule: Rule) -> None:
        """Read to the end of the rule. Groups under way are kept in a list, however deep."""
        open_rules = [rule]
        repeatable = [0]  # for each, where the items begin that a repetition would repeat
        while self._at < len(self._text):
            current = open_rules[-1].alternatives[-1]
            sign = self._text[self._at]
            if sign == "(":
                group = self._new_group(rule.name)
                repeatable[-1] = len(current)
                current.append(Item(self._line(), rule=group))
                open_rules.append(self._rules[group])
                repeatable.append(0)
                self._at += 1
                self._skip(_SPACE_AND_LINES)
                continue
            if sign == ")" and len(open_rules) > 1:
                open_rules.pop()
                repeatable.pop()
                self._at += 1
            elif sign == "|":
                open_rules[-1].alternatives.append([])
                repeatable[-1] = 0
                self._at += 1
                self._skip(_SPACE_AND_LINES)
                continue
            elif sign in "*+?{":
                self._repeat(current, repeatable[-1], rule.name)
            else:
                items = self._read_items()
                if items is None:
                    break
                repeatable[-1] = len(current)
                current += items
            self._skip(_SPACE_AND_LINES if len(open_rules) > 1 else _SPACE)
        if len(open_rules) > 1:
            raise self._error("a parenthesis is not closed")

    def _read_items(self) -> list[Item] | None:
        """Read characters or a name; None if there is neither."""
        line, sign = self._line(), self._text[self._at]
        if sign == '"':
            return self._read_literal()
        if sign == "[":
            return [self._read_set()]
        if sign == ".":
            self._at += 1
            return [Item(line, chars=ALL)]
        if sign in "<!":
            raise self._error("tokens can't be named; write the text that they stand for")
        name = self._match(_NAME)
        return None if name is None else [Item(line, rule=self._number(name))]

    def _read_literal(self) -> list[Item]:
        items, start = [], self._at
        self._at += 1
        while not self._text.startswith('"', self._at):
            line = self._line()
            code = self._read_character(start)
            if not contains(ALL, code):
                raise GrammarError(line, f"U+{code:04X} is not a character of a text")
            items.append(Item(line, chars=((code, code),)))
        self._at += 1
        return items

    def _read_set(self) -> Item:
        line, start = self._line(), self._at
        self._at += 1
        negated = self._text.startswith("^", self._at)
        self._at += negated
        ranges = []
        while not self._text.startswith("]", self._at):
            low = high = self._read_character(start)
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                high = self._read_character(start)
                if high < low:
                    raise self._error(f"the range from U+{low:04X} to U+{high:04X} is reversed")
            ranges.append((low, high))
        self._at += 1
        chars = normal(ranges)
        if negated:
            chars = others(chars)
        if not chars or not (ranges or negated):
            raise GrammarError(line, f"{self._text[start : self._at]} contains no character")
        return Item(line, chars=chars)

    def _read_character(self, start: int) -> int:
        if self._at >= len(self._text):
            self._at = start
            raise self._error(f"a {self._text[start]} is not closed")
        if self._text[self._at] != "\\":
            self._at += 1
            return ord(self._text[self._at - 1])
        escape = _ESCAPE.match(self._text, self._at)
        if escape is None:
            raise self._error(f"{self._text[self._at : self._at + 2]} is not an escape")
        self._at = escape.end()
        digits = escape[1] or escape[2] or escape[3]
        return int(digits, 16) if digits else ord(_NAMED_ESCAPES.get(escape[4], escape[4]))

    def _repeat(self, items: list[Item], start: int, name: str) -> None:
        if start == len(items):
            raise self._error(f"there is nothing before {self._text[self._at]} to repeat")
        line = self._line()
        low, high = self._read_repetitions()
        if len(items) - start > 1 or (items[start].low, items[start].high) != (1, 1):
            group = self._new_group(name)
            self._rules[group].alternatives = [items[start:]]
            items[start:] = [Item(line, rule=group)]
        items[start].low, items[start].high = low, high

    def _read_repetitions(self) -> tuple[int, int | None]:
        sign = self._text[self._at]
        if sign in _SIGNS:
            self._at += 1
            return _SIGNS[sign]
        match = _REPETITIONS.match(self._text, self._at)
        if match is None:
            raise self._error("a number or } is missing after {")
        numbers = [match[1], *([match[3]] if match[3] else [])]
        if any(len(number) > 9 or int(number) > MAX_REPETITIONS for number in numbers):
            raise self._error(f"a number of repetitions is over {MAX_REPETITIONS}")
        low = int(match[1])
        high = low if not match[2] else int(match[3]) if match[3] else None
        if high is not None and high < low:
            raise self._error(f"{match[0]} is reversed")
        self._at = match.end()
        return low, high

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._rules)
            self._rules.append(Rule(name, self._line()))
        return self._numbers[name]

    def _new_group(self, name: str) -> int:
        self._rules.append(Rule(name, self._line(), defined=True))
        return len(self._rules) - 1

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return match[0] if match else None

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._match(pattern)

    def _line(self) -> int:
        return bisect_left(self._line_ends, self._at) + 1

    def _error(self, reason: str) -> GrammarError:
        return GrammarError(self._line(), reason)


def normal(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the same set in order, without what is not in `ALL`."""
    merged: list[tuple[int, int]] = []
    inside = ((max(low, first), min(high, last)) for low, high in ranges for first, last in ALL)
    for low, high in sorted(each for each in inside if each[0] <= each[1]):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def others(ranges: Ranges) -> Ranges:
    """Return the characters that are not in a set."""
    gaps, start = [], 0
    for low, high in ranges:
        gaps.append((start, low - 1))
        start = high + 1
    return normal([*gaps, (start, 0x10FFFF)])


def contains(ranges: Ranges, code: int) -> bool:
    """Tell whether a code point is in a set."""
    return any(low <= code <= high for low, high in ranges)
