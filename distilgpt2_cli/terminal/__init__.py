"""The only code that writes to standard output and standard error."""

from .stream import DIM, Terminal, make_stderr_visible

__all__ = ["DIM", "Terminal", "make_stderr_visible"]
