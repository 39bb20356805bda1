"""How a download reports its progress, and that it has to wait, to the code that started it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    """Called when a transfer begins."""

    def __call__(
        self, name: str, total: int, *, done: int
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Take a file's name, its size, and how many bytes an earlier run has got of it.

        The value of the context is called with the number of bytes received since the last call;
        it is negative where they have to be requested again.
        """
        ...


# Called with a sentence when the Hub is slow or busy.
Notice = Callable[[str], None]


def ignore(_: object) -> None:
    """Do nothing with what is reported."""
