"""Interrupts and llama.cpp, which Python's signal handlers can't be raised through.

Python runs no handler while llama.cpp computes. During a long evaluation llama.cpp asks, at every
node of its graph, whether to go on: that is where a handler gets its turn. It also gets one where
llama.cpp logs something, and what it raised there would be printed and lost.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, TracebackType
from typing import TypeVar

from .bindings import lib

_Callback = TypeVar("_Callback", bound=Callable[..., object])

_callbacks: set[CodeType] = set()
_depth = 0
_pending: BaseException | None = None


def callback(function: _Callback) -> _Callback:
    """Mark a function that llama.cpp calls: nothing is raised in it."""
    _callbacks.add(function.__code__)
    return function


def interrupt(error: BaseException, frame: FrameType | None) -> None:
    """Raise an error now, or when llama.cpp has returned; for signal handlers.

    ``frame`` is where the handler was called.
    """
    global _pending
    if not _depth and not _is_called_by_llama_cpp(frame):
        raise error
    _pending = error


class _HeldBack:
    """A block at whose end what `interrupt` was given is raised, and not within it."""

    def __enter__(self) -> None:
        """Begin the block."""
        global _depth
        _depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the block."""
        global _depth, _pending
        _depth -= 1
        if _pending is not None and not _depth:
            pending, _pending = _pending, None
            raise pending


held_back = _HeldBack()
"""The block, made once: it is entered for every token."""


@contextmanager
def heeded(context: object) -> Iterator[None]:
    """Let a context's evaluation be left early, with what `interrupt` was given.

    What the context then holds is not known.
    """
    with held_back:
        lib.llama_set_abort_callback(context, _is_pending, None)
        try:
            yield
        finally:
            lib.llama_set_abort_callback(context, _NEVER, None)


def _is_called_by_llama_cpp(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code not in _callbacks:
        frame = frame.f_back
    return frame is not None


# llama.cpp keeps the pointers only: the callbacks must live as long as the process.
_is_pending = lib.ggml_abort_callback(callback(lambda _data: _pending is not None))
_NEVER = lib.ggml_abort_callback()
