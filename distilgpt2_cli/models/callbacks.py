"""How a download tells what it does to whoever started it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

# Called with a file's name and its size in bytes when its transfer begins; the value of the context
# is called with the number of bytes that have come since the last call.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

# Called with a sentence when the Hub makes one wait.
Notice = Callable[[str], None]


def ignore(_sentence: str) -> None:
    """Be told, and do nothing."""
