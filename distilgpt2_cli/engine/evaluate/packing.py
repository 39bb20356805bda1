"""Texts put together for one evaluation, in order."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def packed(
    items: Iterable[_Item], length: Callable[[_Item], int], capacity: int
) -> Iterator[list[_Item]]:
    """Yield items in groups whose lengths add up to at most ``capacity``.

    One that is longer by itself is a group of its own. An item is taken only when its group is
    the next one.
    """
    group: list[_Item] = []
    room = capacity
    for item in items:
        if group and length(item) > room:
            yield group
            group, room = [], capacity
        group.append(item)
        room -= length(item)
    if group:
        yield group
