"""What can go wrong, as a person reads it and as a script sees it."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    MODEL_UNAVAILABLE = 3
    MODEL_DAMAGED = 4
    INTERRUPTED = 130
    TERMINATED = 143


class DistilError(Exception):
    """A failure in two sentences: what happened, and what to run or change next."""

    status = ExitStatus.FAILED

    def __init__(self, what: str, remedy: str) -> None:
        """Take both sentences, each with its full stop."""
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        """Both sentences on one line."""
        return f"{self.what} {self.remedy}"


class UsageError(DistilError):
    """The command line, or an argument of the library, is not valid."""

    status = ExitStatus.USAGE


class ModelUnavailableError(DistilError):
    """The model file is not on this machine, and could not be downloaded."""

    status = ExitStatus.MODEL_UNAVAILABLE


class ModelDamagedError(DistilError):
    """The model file is damaged, or llama.cpp can't load it."""

    status = ExitStatus.MODEL_DAMAGED


class NotANumberError(ModelDamagedError):
    """The model computes NaN or infinity, because its weights are damaged."""

    def __init__(self) -> None:
        """Always has the same message."""
        super().__init__(
            "The model's output is not a number: its weights are damaged.",
            "Check the file with `distil verify`.",
        )


class ReaderGoneError(Exception):
    """The reader of standard output has closed it, as ``head`` does; not an error to report."""
