"""A model loaded while Python still imports what else the program needs.

llama.cpp takes longer to load the vocabulary than Python to import the command line, and does so
without the interpreter lock, so that both happen at once.
"""

import os
from contextlib import suppress
from pathlib import Path
from threading import Thread

from ..errors import DistilError
from .model import Model


class _EarlyModel:
    """A model under way in a thread. The process does not end before the thread does."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.model: Model | None = None
        self._thread = Thread(target=self._load)
        self._thread.start()

    def _load(self) -> None:
        # load() tries again if this fails, and tells what is wrong.
        with suppress(DistilError):
            self.model = Model(self.path)

    def wait(self) -> Model | None:
        self._thread.join()
        return self.model


_early: _EarlyModel | None = None


def load_early(path: str | os.PathLike[str]) -> None:
    """Begin to load a model that `load` will probably be asked for; return at once."""
    global _early
    _early = _EarlyModel(path)


def load(path: str | os.PathLike[str]) -> Model:
    """Return the model that `load_early` has begun with, or load it now.

    Raises:
        ModelDamagedError: llama.cpp can't load the file.
    """
    global _early
    early, _early = _early, None
    model = early.wait() if early else None
    if early and model:
        if early.path == Path(path):
            return model
        model.close()
    return Model(path)
