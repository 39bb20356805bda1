"""A word to whoever waits for a transfer that has stopped."""

from threading import Event, Thread
from types import TracebackType

from .callbacks import Notice

PATIENCE_SECONDS = 3.0


class StallWatch:
    """Gives a notice each time that nothing has come for `PATIENCE_SECONDS`, within its block."""

    def __init__(self, what: str, notice: Notice) -> None:
        """Say ``what`` is the matter."""
        self._what = what
        self._notice = notice
        self._came = Event()
        self._ended = False
        self._thread = Thread(target=self._watch, daemon=True)

    def bytes_came(self) -> None:
        """Take note that the transfer goes on."""
        self._came.set()

    def _watch(self) -> None:
        said = False
        while not self._ended:
            came = self._came.wait(PATIENCE_SECONDS)
            self._came.clear()
            if not came and not said:
                self._notice(f"{self._what}; still waiting, and trying again if the wait is long.")
            said = not came

    def __enter__(self) -> "StallWatch":
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Watch no more."""
        self._ended = True
        self._came.set()
        self._thread.join()
