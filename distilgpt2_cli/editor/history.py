"""Undo and redo, as differences between successive states of a text."""

from typing import NamedTuple


class State(NamedTuple):
    """A text and the cursor in it, counted in characters."""

    text: str
    cursor: int


class _Change(NamedTuple):
    start: int
    removed: str
    inserted: str
    cursors: tuple[int, int]  # before it and after it


class History:
    """Steps of undo and redo. It stores only differences, so that a large text can have many."""

    def __init__(self, text: str) -> None:
        """Start with this text and nothing to undo."""
        self._now = State(text, 0)
        self._back: list[_Change] = []
        self._forth: list[_Change] = []

    def record(self, state: State) -> None:
        """Make one step of all changes since the last one, if there are any."""
        if state.text != self._now.text:
            self._back.append(_difference(self._now, state))
            self._forth.clear()
        self._now = state

    def undo(self, state: State) -> State | None:
        """Return the state one step before this one, None if there is none."""
        self.record(state)
        if not self._back:
            return None
        change = self._back.pop()
        self._forth.append(change)
        end = change.start + len(change.inserted)
        text = state.text[: change.start] + change.removed + state.text[end:]
        self._now = State(text, change.cursors[0])
        return self._now

    def redo(self, state: State) -> State | None:
        """Return the state that the last undone step led to, None if there is none."""
        self.record(state)
        if not self._forth:
            return None
        change = self._forth.pop()
        self._back.append(change)
        end = change.start + len(change.removed)
        text = state.text[: change.start] + change.inserted + state.text[end:]
        self._now = State(text, change.cursors[1])
        return self._now


def _difference(old: State, new: State) -> _Change:
    start = _common_start(old.text, new.text)
    most = min(len(old.text), len(new.text)) - start
    kept = _common_end(old.text, new.text, most)
    return _Change(
        start,
        old.text[start : len(old.text) - kept],
        new.text[start : len(new.text) - kept],
        (old.cursor, new.cursor),
    )


def _common_start(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(one: str, other: str, most: int) -> int:
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low
