"""What is computed: by a task, from a source. Both are made by whoever has the work done."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..engine.llama.placement import Placement

if TYPE_CHECKING:
    from ..engine.session import Needs

_Item = TypeVar("_Item")
_ItemContra = TypeVar("_ItemContra", contravariant=True)
_ItemCo = TypeVar("_ItemCo", covariant=True)
_Result = TypeVar("_Result")
_ResultCo = TypeVar("_ResultCo", covariant=True)


class Work(Protocol[_ItemContra, _ResultCo]):
    """An opened task: a model that is loaded."""

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""

    def results(self, items: Iterable[_ItemContra]) -> Iterator[_ResultCo]:
        """Yield the results of a chunk, whatever was computed before.

        Each item is taken only when something can be computed for it. For the same items come as
        many results, the same ones, every time.
        """

    def interrupted(self) -> Iterator[_ResultCo]:
        """Yield what `results` had begun when it was interrupted, as far as it got."""


class Task(Protocol[_Item, _Result]):
    """What to compute: a small value that can be pickled, so that any process can open it."""

    def open(self) -> AbstractContextManager[Work[_Item, _Result]]:
        """Load the model, and free it when the block ends."""

    def needs(self) -> "Needs":
        """Return what each process that opens it needs."""

    def for_worker(self, threads: int) -> "Task[_Item, _Result]":
        """Return the same with so many threads, for a process beside others."""


class Source(Generic[_Item]):
    """Items one after another, in chunks.

    Attributes:
        descriptor: becomes readable when `ready` may have become true; None if it always is.
    """

    descriptor: int | None

    @abstractmethod
    def take(self) -> tuple[_Item | None, bool] | None:
        """Return the next item and whether its chunk ends with it, or None after the last one.

        Waits for it. The item is None where something was read that is none.
        """

    @abstractmethod
    def ready(self) -> bool:
        """Return whether `take` would not wait."""

    @abstractmethod
    def has(self, chunks: int) -> bool:
        """Return whether more than so many chunks are there, within a moment."""
