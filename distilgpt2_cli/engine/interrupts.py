"""Interrupts that are heeded inside a long evaluation too.

Python runs no signal handler while llama.cpp computes. During a long evaluation llama.cpp asks, at
every node of its graph, whether to go on: that is where a handler gets its turn.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .bindings import lib

_evaluating = False
_pending: BaseException | None = None


def interrupt(error: BaseException) -> None:
    """Raise an error now, or out of the long evaluation under way; for signal handlers."""
    global _pending
    if not _evaluating:
        raise error
    _pending = error


@contextmanager
def heeded(context: object) -> Iterator[None]:
    """Let a context's evaluation be left early, with what `interrupt` was given.

    What the context then holds is not known.
    """
    global _evaluating, _pending
    lib.llama_set_abort_callback(context, _is_pending, None)
    _evaluating = True
    try:
        yield
    finally:
        _evaluating = False
        lib.llama_set_abort_callback(context, _NEVER, None)
        error, _pending = _pending, None
        if error is not None:
            raise error


# llama.cpp keeps the pointers only: the callbacks must live as long as the process.
_is_pending = lib.ggml_abort_callback(lambda _data: _pending is not None)
_NEVER = lib.ggml_abort_callback()
