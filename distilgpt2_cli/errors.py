"""What can go wrong, as a person reads it and as a script sees it."""

import codecs
from collections.abc import Sequence
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
    """A failure in two sentences: what happened, and what to run or change next.

    Attributes:
        status: the exit status of a command that it ends.
        origin: the traceback of an exception that nobody expected; it travels between processes.
    """

    status = ExitStatus.FAILED
    origin = ""

    def __init__(self, what: str, remedy: str) -> None:
        """Take both sentences, each with its full stop."""
        # Exception's own is not called: ``args`` stay those of the subclass, as copies need them.
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        """Both sentences on one line."""
        return f"{self.what} {self.remedy}"


class UsageError(DistilError):
    """The command line, or an argument of the library, is not valid."""

    status = ExitStatus.USAGE


class ParameterError(UsageError):
    """An argument of the library has a value that it can't have.

    Attributes:
        parameter: its name.
        value: what it was.
        allowed: what it may be, to go on after "Use".
    """

    def __init__(self, parameter: str, value: object, allowed: str) -> None:
        """Take what the attributes say."""
        super().__init__(f"{parameter} can't be {value!r}.", f"Use {allowed}.")
        self.parameter = parameter
        self.value = value
        self.allowed = allowed


class TextTooLongError(UsageError):
    """A text has more tokens than the context window, and is not to be split.

    Attributes:
        tokens: of the text.
        window: the most that it may have.
    """

    def __init__(self, tokens: int, window: int) -> None:
        """Take both numbers."""
        super().__init__(
            f"The text has {tokens} tokens, and the context window {window}.",
            "Shorten it, or have it split.",
        )
        self.tokens = tokens
        self.window = window


class DeviceConflictError(UsageError):
    """A device is named for no layers.

    Attributes:
        layers: how many layers were wanted there, as it was written.
        device: the name of the device.
    """

    def __init__(self, layers: str, device: str) -> None:
        """Take what the attributes say."""
        super().__init__(f"{layers} layers leave nothing for {device}.", "Leave out one of them.")
        self.layers = layers
        self.device = device


class BindingsError(DistilError):
    """The package llama-cpp-python can't be imported."""

    def __init__(self, reason: str) -> None:
        """Take what Python says of it."""
        super().__init__(
            f"llama-cpp-python can't be loaded: {reason}.", "Install llama-cpp-python again."
        )


class NoDeviceError(DistilError):
    """A device is asked for that this build of llama.cpp, or this machine, does not have.

    Attributes:
        device: its name; None if any would do.
        layers: what was wanted there: ``auto``, ``all`` or a number.
        situation: a clause that says what there is.
        available: the names of the devices that there are.
    """

    def __init__(
        self, device: str | None, layers: int | str, situation: str, available: Sequence[str]
    ) -> None:
        """Take what the attributes say."""
        wanted = f"The device {device}" if device else "A GPU"
        super().__init__(
            f"{wanted} can't be used: {situation}.",
            f"Use {' or '.join(available)}, or leave the choice to llama.cpp."
            if available
            else "Install a build of llama-cpp-python for your GPU, or stay on the CPU.",
        )
        self.device = device
        self.layers = layers
        self.situation = situation
        self.available = available


class DeviceMemoryError(DistilError):
    """The devices have no room for the layers that are wanted there.

    Attributes:
        fitting_layers: how many of the layers they have room for.
    """

    def __init__(self, what: str, fitting_layers: int) -> None:
        """Take the first sentence, and how many layers fit."""
        super().__init__(
            what,
            f"Use {fitting_layers} layers there, the most that fits."
            if fitting_layers
            else "Stay on the CPU: no layer fits.",
        )
        self.fitting_layers = fitting_layers


class DeviceFailureError(DistilError):
    """The driver of a device gave up while it computed."""

    def __init__(self, what: str) -> None:
        """Take the first sentence."""
        super().__init__(what, "Use fewer layers there, or none.")


class NotUtf8Error(DistilError):
    """A text is not UTF-8."""

    def __init__(self, source: str, error: UnicodeDecodeError, before: int = 0) -> None:
        """Take what the text is, what is wrong, and how many bytes were decoded before."""
        byte, offset = error.object[error.start], before + error.start
        is_utf16 = offset == 0 and error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "UTF-16" if is_utf16 else "LATIN1"
        super().__init__(
            f"{source} is not UTF-8 text: the byte at offset {offset} (0x{byte:02x}) is not valid.",
            f"Convert it first, for example with: iconv -f {encoding} -t UTF-8.",
        )


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
            "Check the file with `distil verify`, and its adapters if there are any.",
        )


class ReaderGoneError(Exception):
    """The reader of standard output has closed it, as ``head`` does; not an error to report."""


def no_text() -> UsageError:
    """Return the error for a text of no characters."""
    return UsageError("There is no text to score.", "Give it at least one character.")
