"""Exceptions of Python and the system that a command did not expect, as errors for a person."""

import errno

from .errors import DistilError

_NO_THREAD = "can't start new thread"  # the whole of what Python says
_OUT_OF_MEMORY = ("Cannot allocate memory", "failed to map segment")


def explained(error: Exception) -> DistilError:
    """Return an exception as an error of two sentences."""
    if isinstance(error, DistilError):
        return error
    known = limit_reached(error)
    if known:
        return known
    if isinstance(error, OSError) and error.strerror:
        place = f" on {error.filename}" if error.filename else ""
        return DistilError(
            f"The system refused an operation{place}: {error.strerror}.",
            "Check the owner and permissions, and the disk, then run the command again.",
        )
    if isinstance(error, ImportError):
        return DistilError(f"A part of distil can't be loaded: {error}.", "Install distil again.")
    return _unexpected(error)


def _unexpected(error: Exception) -> DistilError:
    import traceback  # which no start needs

    unexpected = DistilError(
        f"Unexpected error: {type(error).__name__}: {error}.",
        "Run the command again with DISTIL_DEBUG=1, and report the traceback.",
    )
    unexpected.origin = "".join(traceback.format_exception(error))
    return unexpected


def limit_reached(error: Exception) -> DistilError | None:
    """Return an exception as an error if it comes from a limit of this machine or process."""
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, ImportError | OSError) and any(each in text for each in _OUT_OF_MEMORY)
    ):
        return DistilError(
            "There is not enough memory.", "Close other programs, or use a smaller model."
        )
    if number in (errno.EMFILE, errno.ENFILE):
        return DistilError(
            "Too many files are open.", "Raise the limit with `ulimit -n 256`, then run it again."
        )
    if number == errno.EAGAIN or (isinstance(error, RuntimeError) and text == _NO_THREAD):
        return DistilError(
            "The system does not allow another process or thread.",
            "Raise the limit with `ulimit -u`, or close other programs.",
        )
    return None
