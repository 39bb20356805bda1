"""What llama.cpp logs, kept from standard error and asked for when something fails."""

from collections import deque

from . import interrupts
from .bindings import lib

_ERROR_LEVEL = 4  # GGML_LOG_LEVEL_ERROR in ggml.h
_errors: deque[str] = deque(maxlen=16)


@interrupts.callback
def _keep_errors(level: int, text: bytes, _user_data: object) -> None:
    if level == _ERROR_LEVEL:
        _errors.append(text.decode(errors="replace").strip())


# llama.cpp keeps the pointer only: the callback must live as long as the process.
_callback = lib.llama_log_callback(_keep_errors)


def start() -> None:
    """Keep what is logged from now on, and forget the rest.

    Set anew each time: importing the whole ``llama_cpp`` package puts its own logger in place.
    """
    lib.llama_log_set(_callback, None)
    _errors.clear()


def reason() -> str:
    """Return llama.cpp's own word on the failure since `start`: the first error it logged."""
    return _errors[0].partition(": ")[2].rstrip(".") if _errors else "no reason given"
