"""What llama.cpp logs, kept from standard error and asked for when something fails."""

import re
from collections import deque
from collections.abc import Callable

from . import interrupts
from .bindings import lib
from .placement import Placement

_INFO_LEVEL, _WARNING_LEVEL, _ERROR_LEVEL = 2, 3, 4  # as ggml_log_level in ggml.h
_FUNCTION = re.compile(r"^[\w:~()]+:( |$)")
_errors: deque[str] = deque(maxlen=16)
_warnings: deque[str] = deque(maxlen=16)
_placements: list[str] = []
_receive: Callable[[str], object] | None = None


@interrupts.callback
def _keep(level: int, text: bytes, _user_data: object) -> None:
    if level == _ERROR_LEVEL:
        _errors.append(text.decode(errors="replace").strip())
    elif level == _WARNING_LEVEL:
        _warnings.append(text.decode(errors="replace").strip())
    elif b" buffer size = " in text or b" assigned to device " in text:
        _placements.append(text.decode(errors="replace"))
    elif _receive and level == _INFO_LEVEL:
        _receive(text.decode(errors="replace"))


# llama.cpp keeps the pointer only: the callback must live as long as the process.
_callback = lib.llama_log_callback(_keep)


def start(receive: Callable[[str], object] | None = None) -> None:
    """Keep what is logged from now on, and forget the rest.

    Set anew each time: importing the whole ``llama_cpp`` package puts its own logger in place.

    Args:
        receive: takes each piece of what llama.cpp reports of its progress until the next start.
            It may raise nothing.
    """
    global _receive
    _receive = receive
    lib.llama_log_set(_callback, None)
    _errors.clear()
    _warnings.clear()
    _placements.clear()


def reason() -> str:
    """Return llama.cpp's own word on the failure since `start`: the first error it logged."""
    return _errors[0].partition(": ")[2].rstrip(".") if _errors else "no reason given"


def warnings() -> list[str]:
    """Return what llama.cpp has warned of since `start`, each once, without names of functions."""
    return list(dict.fromkeys(_FUNCTION.sub("", line).rstrip(".") for line in _warnings))


def placement() -> Placement:
    """Return what llama.cpp has said since `start` of where it put layers and buffers."""
    return Placement.read(_placements)
