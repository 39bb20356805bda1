"""How the texts of a run are cut into chunks, each computed from its beginning.

What is computed together with ``--parallel`` has an influence on the last digits. So that the
results do not depend on how many processes compute them, nothing is computed together across the
end of a chunk, and the cut depends on the texts and the options alone.
"""

from typing import TypeVar

from .tasks import Source

_Item = TypeVar("_Item")

# Times that all sequences are filled. More would leave fewer waiting for those that end last, and
# fewer chunks for the workers to share.
_ROUNDS = 8
_LEAST_REQUESTS, _LEAST_ITEMS, _LEAST_TEXTS = 32, 64, 256  # worth the way to another process
_MOST_BYTES = 2**20  # of texts: what is read ahead stays small
_MOST_FAILURES = 1000  # their messages wait until what is before them is done


def texts_to_generate(parallel: int, sequences: int) -> int:
    """Return how many prompts a chunk has, where each is completed so many times."""
    return max(1, max(_ROUNDS * parallel, _LEAST_REQUESTS) // sequences)


def texts_to_evaluate(parallel: int) -> int:
    """Return how many texts a chunk has that are evaluated so many at once: whole groups."""
    return parallel * -(-_LEAST_TEXTS // parallel)


def items_to_evaluate(parallel: int) -> int:
    """Return how many items a chunk has that are several texts each; otherwise as above."""
    return parallel * -(-_LEAST_ITEMS // parallel)


class Cutter:
    """Says after which texts a chunk ends."""

    def __init__(self, texts: int) -> None:
        """End a chunk after so many texts, or before if they are long."""
        self._texts = texts
        self._begin()

    def ends_after(self, text: str) -> bool:
        """Count a text, and return whether its chunk ends with it."""
        self._count += 1
        self._size += len(text)
        return self._ends(self._count >= self._texts or self._size >= _MOST_BYTES)

    def ends_after_failure(self) -> bool:
        """Count a line that is not a text, and return whether the chunk ends with it."""
        self._failures += 1
        return self._ends(self._failures >= _MOST_FAILURES)

    @property
    def lines(self) -> int:
        """How many lines a chunk has if they are short."""
        return self._texts

    @property
    def size(self) -> int:
        """How many characters it has if they are long."""
        return _MOST_BYTES

    def _ends(self, ends: bool) -> bool:
        if ends:
            self._begin()
        return ends

    def _begin(self) -> None:
        self._count = self._size = self._failures = 0


class Listed(Source[_Item]):
    """Chunks that are known from the beginning."""

    descriptor = None

    def __init__(self, chunks: list[list[_Item]], *, worth_workers: bool = False) -> None:
        """Take chunks of one item or more; ``worth_workers`` if they take long to compute."""
        self._rest = [
            (item, place == len(chunk) - 1) for chunk in chunks for place, item in enumerate(chunk)
        ]
        self._rest.reverse()
        self._worth_workers = worth_workers and len(chunks) > 1

    def take(self) -> tuple[_Item | None, bool] | None:
        """Return the next item."""
        return self._rest.pop() if self._rest else None

    def ready(self) -> bool:
        """Never wait."""
        return True

    def has(self, chunks: int) -> bool:  # noqa: ARG002
        """Return whether other processes are worth their start."""
        return self._worth_workers
