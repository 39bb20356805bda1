"""What a grammar means, whether it can be obeyed, and the same one as llama.cpp gets it."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from .gbnf import GrammarError, Item, Ranges, Rule, read

# llama.cpp looks for left recursion by walking along the first items of rules, again for each way
# that leads to one, in a function that calls itself.
_MAX_STEPS, _MAX_DEPTH = 1_000_000, 2_000
# Ranges of characters, each as often as it is repeated by number: tens of megabytes in llama.cpp.
_MAX_SIZE = 1_000_000
# Each such repetition multiplies the ways to read a text, and llama.cpp follows all of them in one
# call, which nothing interrupts.
_MAX_REPETITIONS_OF_NOTHING = 5


class Grammar(NamedTuple):
    """A grammar that can be obeyed.

    Attributes:
        plain: it in plain rules, as llama.cpp gets it.
        terminals: each set of characters in it, with the line where it stands first.
    """

    plain: str
    terminals: dict[Ranges, int]


@lru_cache(maxsize=8)
def understand(text: str) -> Grammar:
    """Return what a grammar in GBNF means.

    Raises:
        GrammarError: it is broken, or no text follows it, or llama.cpp can't work with it.
    """
    rules = read(text)
    used = _used(rules)
    _check_that_rules_end(rules, used)
    nullable = _nullable(rules)
    _check_for_left_recursion(rules, used, nullable)
    items = [item for number in used for item in _items(rules[number]) if item.high != 0]
    terminals: dict[Ranges, int] = {}
    for item in items:
        if item.rule in nullable and max(item.low, item.high or 0) > _MAX_REPETITIONS_OF_NOTHING:
            raise GrammarError(
                item.line,
                "what may be empty can't be repeated more than"
                f" {_MAX_REPETITIONS_OF_NOTHING} times by number",
            )
        if item.rule is None:
            terminals.setdefault(item.chars, item.line)
    if not terminals:
        raise GrammarError(rules[0].line, "only the empty text follows it")
    size = sum(max(len(item.chars), 1) * max(item.low, item.high or 1) for item in items)
    if size > _MAX_SIZE:
        raise GrammarError(rules[0].line, "with all its repetitions, it is too large")
    return Grammar(_plain(rules, used, nullable), terminals)


def _items(rule: Rule) -> Iterator[Item]:
    for alternative in rule.alternatives:
        yield from alternative


def _used(rules: list[Rule]) -> list[int]:
    """Return the numbers of the rules that ``root`` needs, itself among them."""
    found, waiting = {0}, [0]
    while waiting:
        for item in _items(rules[waiting.pop()]):
            if item.rule is not None and item.high != 0 and item.rule not in found:
                found.add(item.rule)
                waiting.append(item.rule)
    return sorted(found)


def _check_that_rules_end(rules: list[Rule], used: list[int]) -> None:
    ending = _closure(rules, lambda item: item.rule is None)
    for number in used:
        if number not in ending:
            rule = rules[number]
            raise GrammarError(rule.line, f"a text of rule {rule.name!r} never ends")


def _nullable(rules: list[Rule]) -> set[int]:
    """Return the rules that the empty text follows."""
    return _closure(rules, lambda item: item.high == 0)


def _closure(rules: list[Rule], holds: Callable[[Item], bool]) -> set[int]:
    """Return the rules with an alternative whose every item holds.

    An item does that by itself, or as one that may be left out, or because its rule is among them.
    """
    users: dict[int, list[int]] = {}
    for number, rule in enumerate(rules):
        for item in _items(rule):
            if item.rule is not None:
                users.setdefault(item.rule, []).append(number)
    found: set[int] = set()
    waiting = list(range(len(rules)))
    while waiting:
        number = waiting.pop()
        if number not in found and any(
            all(item.low == 0 or holds(item) or item.rule in found for item in alternative)
            for alternative in rules[number].alternatives
        ):
            found.add(number)
            waiting += users.get(number, [])
    return found


def _check_for_left_recursion(rules: list[Rule], used: list[int], nullable: set[int]) -> None:
    """Make sure that no rule begins with itself, and that llama.cpp finds that out in time."""
    firsts = {number: list(_first_rules(rules[number], nullable)) for number in used}
    steps: dict[int, int] = {}
    depths: dict[int, int] = {}
    for start in used:
        under_way = {start: iter(firsts[start])}
        while under_way:
            number, following = next(reversed(under_way.items()))
            first = next((each for each in following if each not in steps), None)
            if first in under_way:
                rule = rules[first]
                raise GrammarError(rule.line, f"rule {rule.name!r} can begin with itself")
            if first is not None:
                under_way[first] = iter(firsts[first])
                continue
            del under_way[number]
            steps[number] = 2 + sum(2 + steps[each] for each in firsts[number])
            depths[number] = 2 + max((2 + depths[each] for each in firsts[number]), default=0)
            if steps[number] > _MAX_STEPS or depths[number] > _MAX_DEPTH:
                rule = rules[number]
                raise GrammarError(rule.line, f"rule {rule.name!r} is too deep for llama.cpp")


def _first_rules(rule: Rule, nullable: set[int]) -> Iterator[int]:
    """Yield every rule that stands where a text of this one can begin, as often as it does."""
    for alternative in rule.alternatives:
        for item in alternative:
            if item.rule is not None and item.high != 0:
                yield item.rule
            if item.low > 0 and item.rule not in nullable:
                break


def _plain(rules: list[Rule], used: list[int], nullable: set[int]) -> str:
    lines = []
    for number in used:
        alternatives = (
            " ".join(_plain_item(item, nullable) for item in alternative if item.high != 0) or '""'
            for alternative in rules[number].alternatives
        )
        lines.append(f"{_plain_name(number)} ::= {' | '.join(alternatives)}\n")
    # A rule that is repeated and may be empty looks like left recursion to llama.cpp where the
    # empty alternative stands in itself.
    lines += [f"e{number} ::= {_plain_name(number)}\n" for number in used if number in nullable]
    return "".join(lines)


def _plain_name(number: int) -> str:
    return f"r{number}" if number else "root"


def _plain_item(item: Item, nullable: set[int]) -> str:
    once = (item.low, item.high) == (1, 1)
    if item.rule is None:
        name = f"[{''.join(map(_plain_range, item.chars))}]"
    elif item.rule in nullable and not once:
        name = f"e{item.rule}"
    else:
        name = _plain_name(item.rule)
    if once:
        return name
    return f"{name}{{{item.low},{'' if item.high is None else item.high}}}"


def _plain_range(bounds: tuple[int, int]) -> str:
    low, high = bounds
    return f"\\U{low:08X}" if low == high else f"\\U{low:08X}-\\U{high:08X}"
