"""What llama.cpp logs, kept from standard error and asked for when something fails."""

from collections import deque

from . import interrupts
from .bindings import lib
from .placement import Placement

_ERROR_LEVEL = 4  # GGML_LOG_LEVEL_ERROR in ggml.h
_errors: deque[str] = deque(maxlen=16)
_placements: list[str] = []


@interrupts.callback
def _keep(level: int, text: bytes, _user_data: object) -> None:
    if level == _ERROR_LEVEL:
        _errors.append(text.decode(errors="replace").strip())
    elif b" buffer size = " in text or b" assigned to device " in text:
        _placements.append(text.decode(errors="replace"))


# llama.cpp keeps the pointer only: the callback must live as long as the process.
_callback = lib.llama_log_callback(_keep)


def start() -> None:
    """Keep what is logged from now on, and forget the rest.

    Set anew each time: importing the whole ``llama_cpp`` package puts its own logger in place.
    """
    lib.llama_log_set(_callback, None)
    _errors.clear()
    _placements.clear()


def reason() -> str:
    """Return llama.cpp's own word on the failure since `start`: the first error it logged."""
    return _errors[0].partition(": ")[2].rstrip(".") if _errors else "no reason given"


def placement() -> Placement:
    """Return what llama.cpp has said since `start` of where it put layers and buffers."""
    return Placement.read(_placements)
