"""The items and results of tasks that compute texts: lines of the input, or a single text."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from ...engine.options import GenerationOptions
from ...errors import DistilError

_Prepared = TypeVar("_Prepared")
_Result = TypeVar("_Result")


class Own(NamedTuple):
    """What a text has for itself.

    Attributes:
        options: all options of its completions; None for those of all texts.
        seed: of its first completion; None for the one that its place gives.
    """

    options: GenerationOptions | None = None
    seed: int | None = None


class Cuts(NamedTuple):
    """How a text is cut into words, and what the input has beside it.

    Attributes:
        spans: the words, each from a character to before another one; None for what stands between
            white space.
        regions: the region of each word, from 1; None without regions.
        kept: values of columns of the input: those of all words, or for each word its own.
    """

    spans: Sequence[tuple[int, int]] | None = None
    regions: Sequence[int] | None = None
    kept: Sequence[Sequence[Any]] = ()


class Text(NamedTuple):
    """A text.

    Attributes:
        number: of its line, from 1.
        text: the text itself.
        place: its own number among the texts, from 0.
        own: what it has for itself, None for what all of them get.
        cuts: its words, where they are wanted.
    """

    number: int
    text: str
    place: int = 0
    own: Own | None = None
    cuts: Cuts | None = None


class Failure(NamedTuple):
    """A text that has no result, and why."""

    number: int
    error: DistilError


def in_groups(
    texts: Iterable[Text],
    prepare: Callable[[str], _Prepared],
    work: Callable[[list[_Prepared]], Iterable[_Result]],
    size: int,
) -> Iterator[tuple[Text, _Prepared, _Result] | Failure]:
    """Yield each text with the results of ``prepare`` and ``work``, ``size`` texts at a time.

    One for which ``prepare`` fails is a failure, and in no group.

    Raises:
        DistilError: ``work`` failed.
    """
    tried = (_tried(text, prepare) for text in texts)
    while group := list(_group(tried, size)):
        results = iter(work([each[1] for each in group if not isinstance(each, Failure)]))
        for each in group:
            yield each if isinstance(each, Failure) else (*each, next(results))


def _tried(text: Text, prepare: Callable[[str], _Prepared]) -> tuple[Text, _Prepared] | Failure:
    try:
        return text, prepare(text.text)
    except DistilError as error:
        return Failure(text.number, error)


def _group(
    tried: Iterator[tuple[Text, _Prepared] | Failure], size: int
) -> Iterator[tuple[Text, _Prepared] | Failure]:
    """Yield what there is up to so many texts; a failure before all of them is alone."""
    count = 0
    for each in tried:
        yield each
        count += not isinstance(each, Failure)
        if count in (0, size):
            return
