"""A model loaded in a thread, while Python still imports what else the program needs.

llama.cpp takes longer to load the vocabulary than Python to import the command line, and does so
without the interpreter lock, so that both happen at once. And in the main thread no signal would be
heeded meanwhile.
"""

import os
from contextlib import suppress
from threading import Thread

from ...errors import DistilError
from .adapters import AdaptedFile
from .model import Model
from .placement import AUTO, Offload


class _LoadingModel:
    """A model under way in a thread. The process does not end before the thread does."""

    def __init__(self, path: str | os.PathLike[str], offload: Offload) -> None:
        self.file = AdaptedFile.of(path)
        self.offload = offload
        self._model: Model | None = None
        self._error: Exception | None = None
        self._thread: Thread | None = Thread(target=self._load)
        try:
            self._thread.start()
        except RuntimeError:  # the system gives no further thread
            self._thread = None
            self._load()

    def _load(self) -> None:
        try:
            self._model = Model(self.file, self.offload)
        except Exception as error:
            self._error = error

    def is_of(self, path: str | os.PathLike[str], offload: Offload) -> bool:
        """Return whether it is what is wanted, with these adapters and no others."""
        return (self.file, self.offload) == (AdaptedFile.of(path), offload)

    def wait(self) -> Model:
        if self._thread:
            self._thread.join()
        if self._error:
            raise self._error
        assert self._model
        return self._model


_early: _LoadingModel | None = None


def load_early(path: str | os.PathLike[str], offload: Offload = AUTO) -> None:
    """Begin to load a model that `load` will probably be asked for; return at once."""
    global _early
    _early = _LoadingModel(path, offload)


def load_ahead(path: str | os.PathLike[str], offload: Offload = AUTO) -> Model:
    """Return the model that `load` will return, loaded by now; `forget_early` if it is not used.

    Raises:
        NoDeviceError: ``offload`` asks for a device that isn't there.
        DeviceMemoryError: the devices have no room for what is wanted there.
        ModelDamagedError: llama.cpp can't load the file.
    """
    global _early
    if not _early or not _early.is_of(path, offload):
        forget_early()
        _early = _LoadingModel(path, offload)
    return _early.wait()


def forget_early() -> None:
    """Free what `load_early` has begun with and nobody has asked for, if there is any."""
    global _early
    early, _early = _early, None
    if early:
        with suppress(DistilError):
            early.wait().close()


def load(path: str | os.PathLike[str], offload: Offload = AUTO) -> Model:
    """Return the model that `load_early` has begun with, or load it now.

    Raises:
        NoDeviceError: ``offload`` asks for a device that isn't there.
        DeviceMemoryError: the devices have no room for what is wanted there.
        ModelDamagedError: llama.cpp can't load the file.
    """
    global _early
    if _early and not _early.is_of(path, offload):
        forget_early()
    early, _early = _early, None
    return (early or _LoadingModel(path, offload)).wait()
