"""What goes wrong in a long run, counted by its kind."""

import sys

CRASH, TRACEBACK, FALSE_FILE, OTHER_FAULT = (
    "crashes",
    "tracebacks",
    "files wrongly taken as whole",
    "other faults",
)
_UNEXPECTED = ("Traceback", "Exception ignored", "Unexpected error")


class Verdict:
    """Collects what is wrong, and tells its number by kind."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._found: list[tuple[str, str]] = []

    def add(self, kind: str, line: str) -> None:
        """Take note of something wrong."""
        self._found.append((kind, line))

    def judge_end(self, status: int, errors: str, about: str) -> None:
        """Take note of a run that ended by a signal, or showed how Python works inside.

        ``status`` is negative for a signal, ``errors`` what stood on standard error.
        """
        if status < 0:
            self.add(CRASH, f"{about}: signal {-status}: {errors[-500:]!r}")
        if any(word in errors for word in _UNEXPECTED):
            self.add(TRACEBACK, f"{about}: {errors[-500:]!r}")

    def merge(self, other: "Verdict") -> None:
        """Take over all that another one has found."""
        self._found += other._found

    def __str__(self) -> str:
        """Say how many of each kind there are."""
        kinds = [kind for kind, _ in self._found]
        return ", ".join(
            f"{kinds.count(kind)} {kind}" for kind in (CRASH, TRACEBACK, FALSE_FILE, OTHER_FAULT)
        )

    def __len__(self) -> int:
        """Return how much is wrong."""
        return len(self._found)

    def end(self) -> None:
        """Print the first things that are wrong, and fail if there are any."""
        for kind, line in self._found[:20]:
            print(f"{kind}: {line}")
        sys.exit(bool(self._found))


def numbers(*defaults: int) -> list[int]:
    """Return the numbers on the command line, with defaults for those that are missing."""
    given = [int(argument) for argument in sys.argv[1:]]
    return given + list(defaults[len(given) :])
