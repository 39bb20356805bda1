"""How a download reports its progress, and that it has to wait, to the code that started it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

# Called with a file's name and its size in bytes when its transfer begins; the value of the context
# is called with the number of bytes received since the last call.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

# Called with a sentence when the Hub is slow or busy.
Notice = Callable[[str], None]


def ignore(_: object) -> None:
    """Do nothing with what is reported."""
