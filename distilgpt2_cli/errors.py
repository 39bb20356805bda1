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
    """A failure told in two sentences: what happened, and what to run or change next."""

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
    """The command line, or an argument of the library, can't be obeyed."""

    status = ExitStatus.USAGE


class ModelUnavailableError(DistilError):
    """No such model file here, and it could not be had from the Hub."""

    status = ExitStatus.MODEL_UNAVAILABLE


class ModelDamagedError(DistilError):
    """The model file is not what it should be, or llama.cpp can't load it."""

    status = ExitStatus.MODEL_DAMAGED


class NotANumberError(ModelDamagedError):
    """The model's weights are such that what it computes is no number."""

    def __init__(self) -> None:
        """There is only one thing to say."""
        super().__init__(
            "What the model computes is not a number: its weights are damaged.",
            "Check the file with `distil verify`, or download it again.",
        )


class ReaderGoneError(Exception):
    """Whoever read standard output has gone away, as ``head`` does; not a failure to report."""
