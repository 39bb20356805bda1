"""Calls of llama.cpp that may need more stack than a thread has.

With most byte-level vocabularies llama.cpp splits texts by ``std::regex``, which calls itself for
every character that it matches: a long run of dashes would overflow the stack and end the process.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

from ...errors import DistilError
from . import interrupts

_Result = TypeVar("_Result")

# Twice what GCC's library takes with any pre-tokenizer of llama.cpp.
_BYTES_PER_CHARACTER = 1024
_SHORT = 256  # characters, for which every thread has stack enough
_SPARE = 2**18  # bytes

_setting = threading.Lock()  # threading.stack_size is one setting for the whole process


def with_stack_for(characters: int, work: Callable[[], _Result]) -> _Result:
    """Call a function where a text of so many characters can be matched.

    Raises:
        DistilError: there is no memory for a stack of this size.
    """
    if characters <= _SHORT:
        return work()
    results: list[_Result] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    with interrupts.held_back:  # what the function uses is not freed before it returns
        try:
            _start(thread, _SPARE + _BYTES_PER_CHARACTER * characters)
        except (RuntimeError, ValueError, MemoryError):
            raise DistilError(
                f"There is not enough memory to tokenize a text of {characters} characters.",
                "Split the text, or close other programs.",
            ) from None
        thread.join()
    return results[0]


def _start(thread: threading.Thread, size: int) -> None:
    with _setting:
        usual = threading.stack_size(size)
        try:
            thread.start()
        finally:
            threading.stack_size(usual)
