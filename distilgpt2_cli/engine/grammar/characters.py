"""Sets of characters, as sorted ranges of code points that do not touch."""

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]
"""First and last code point of each range."""

ALL: Ranges = ((0x1, 0xD7FF), (0xE000, 0x10FFFF))
"""What UTF-8 can spell, but for NUL, which ends a text in C."""


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
