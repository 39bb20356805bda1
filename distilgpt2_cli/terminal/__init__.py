"""The only code that writes to standard output and standard error."""

from .stream import DIM, Terminal

__all__ = ["DIM", "Terminal"]
