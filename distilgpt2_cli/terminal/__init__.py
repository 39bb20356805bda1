"""The only code that writes to standard output and standard error."""

# As in typing, which `output` alone does not import: see there.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .stream import DIM, Terminal

__all__ = ["DIM", "Terminal"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import stream

    return getattr(stream, name)
