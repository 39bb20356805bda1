"""A terminal that keeps what is on its screen, as a person sees it, with ``distil`` on it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pyte

from tests.support.run import TIMEOUT, Screen, terminal

COLUMNS, ROWS = 80, 24


class Emulator:
    """Keys in, screen out.

    Attributes:
        screen: the pseudo-terminal.
    """

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._cells = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._cells)

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without white space at their ends."""
        return [line.rstrip() for line in self._cells.display]

    @property
    def text(self) -> str:
        """All of the screen."""
        return "\n".join(self.lines)

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's row and column, from 0."""
        return self._cells.cursor.y, self._cells.cursor.x

    def underlined(self) -> str:
        """Return the characters that are underlined."""
        return "".join(
            self._cells.buffer[row][column].data
            for row in range(self._cells.lines)
            for column in range(self._cells.columns)
            if self._cells.buffer[row][column].underscore
        )

    def press(self, keys: bytes) -> None:
        """Press keys, as the terminal sends them."""
        self.screen.type(keys)

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal another size."""
        self._cells.resize(rows, columns)
        self.screen.resize(columns, rows)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Read until the screen is so."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            data = self.screen.read(deadline)
            assert data, f"never came:\n{self.text}"
            self._stream.feed(data)

    def wait_for(self, *texts: str) -> None:
        """Read until these texts are on the screen."""
        self.wait_until(lambda: all(text in self.text for text in texts))

    def wait_without(self, text: str) -> None:
        """Read until this text is not on the screen."""
        self.wait_until(lambda: text not in self.text)


@contextmanager
def emulated(*arguments: str, env: Mapping[str, str]) -> Iterator[Emulator]:
    """Run ``distil`` in a terminal of 80 columns and 24 rows."""
    with terminal(*arguments, env=env) as screen:
        yield Emulator(screen)
