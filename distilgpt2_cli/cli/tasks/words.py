"""The words of texts, each as a row of a table."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ...engine.llama.placement import Placement
from ...errors import UsageError
from .lines import Cuts, Failure, Text, in_groups
from .scoring import ScoringTask

if TYPE_CHECKING:
    from ...engine import Evaluator
    from ...engine.evaluate.words import Span, Word

Unit = Literal["bits", "nats"]
Row = Sequence[Any]


@dataclass(frozen=True)
class Layout:
    """The columns of a table of words.

    Attributes:
        number: the name of the column with the number of a text; empty for a single text.
        kept: the names of columns of the input.
        regions: whether words are in regions.
        spillover: how many words before each one have columns of their own.
        unit: of surprisals and entropies.
    """

    number: str = ""
    kept: tuple[str, ...] = ()
    regions: bool = False
    spillover: int = 0
    unit: Unit = "bits"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        return (
            *((self.number,) if self.number else ()),
            *self.kept,
            "position",
            *(("region",) if self.regions else ()),
            *("text", "start", "end", "tokens", "context"),
            *("logprob", "surprisal", "rank", "entropy"),
            *(("region_surprisal",) if self.regions else ()),
            *(
                f"{name}_prev{distance}"
                for distance in range(1, self.spillover + 1)
                for name in ("surprisal", "entropy")
            ),
        )

    def check(self) -> None:
        """Make sure that each column has a name of its own.

        Raises:
            UsageError: a column of the input has the name of another one.
        """
        twice = next((each for each in self.columns if self.columns.count(each) > 1), None)
        if twice is not None:
            raise UsageError(
                f"The input has a column {twice}, and so has the output.",
                "Rename it in the input.",
            )


class Rows:
    """Makes the rows of one text, part by part."""

    def __init__(self, layout: Layout, number: int, cuts: Cuts) -> None:
        """Begin with its first word.

        Args:
            layout: the columns.
            number: of the text.
            cuts: what is known of its words.
        """
        self._layout = layout
        self._scale = math.log(2) if layout.unit == "bits" else 1.0
        self._begin = (number,) if layout.number else ()
        self._cuts = cuts
        self._position = 0
        self._before: deque[tuple[float | None, float | None]] = deque(
            [(None, None)] * layout.spillover, layout.spillover
        )

    @property
    def state(self) -> Mapping[str, Any]:
        """What `restore` needs."""
        return {"position": self._position, "before": [*self._before]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the words of an earlier run."""
        self._position = state["position"]
        self._before.extend(reversed(state["before"]))

    def made(
        self, text: str, spans: "Sequence[Span]", words: "Sequence[Word]", offset: int = 0
    ) -> list[Row]:
        """Return the next rows.

        Args:
            text: the next part of the text.
            spans: the words in it.
            words: their figures.
            offset: the characters of the parts before it.
        """
        of_regions = self._of_regions(words)
        rows: list[Row] = []
        for span, word in zip(spans, words, strict=True):
            surprisal, entropy = self._scaled(word.logprob, -1), self._scaled(word.entropy)
            region = self._cuts.regions[self._position] if self._cuts.regions else 0
            rows.append(
                (
                    *self._begin,
                    *self._kept(),
                    self._position,
                    *((region,) if self._layout.regions else ()),
                    text[span.start : span.end],
                    span.start + offset,
                    span.end + offset,
                    word.tokens,
                    word.context,
                    word.logprob,
                    surprisal,
                    word.rank,
                    entropy,
                    *((of_regions[region],) if self._layout.regions else ()),
                    *(value for pair in self._before for value in pair),
                )
            )
            self._before.appendleft((surprisal, entropy))
            self._position += 1
        return rows

    def _scaled(self, nats: float | None, sign: int = 1) -> float | None:
        return None if nats is None else sign * nats / self._scale

    def _kept(self) -> Sequence[Any]:
        kept = self._cuts.kept
        return kept[self._position if len(kept) > 1 else 0] if kept else ()

    def _of_regions(self, words: "Sequence[Word]") -> dict[int, float | None]:
        sums: dict[int, float] = {}
        for region, word in zip(self._cuts.regions or (), words, strict=False):
            sums[region] = sums.get(region, 0.0) + (word.logprob or 0.0)
        return {region: self._scaled(total, -1) for region, total in sums.items()}


class WordRows(NamedTuple):
    """The rows of a text.

    Attributes:
        number: of the text.
        rows: a value for each column.
    """

    number: int
    rows: Sequence[Row]


@dataclass(frozen=True)
class WordsTask(ScoringTask):
    """Gives the words of texts their figures.

    Attributes:
        layout: the columns.
        plain: take the plain sum of a word's tokens.
    """

    layout: Layout = field(default_factory=Layout)
    plain: bool = False

    @contextmanager
    def open(self) -> "Iterator[WordsWork]":
        """Load the model; see `open_evaluator` for what is raised."""
        with self.evaluator() as evaluator:
            yield WordsWork(self, evaluator)

    def for_worker(self, threads: int) -> "WordsTask":
        """Return the same for a process beside others."""
        return replace(self, threads=threads)


class WordsWork:
    """Gives words their figures with an evaluator.

    Attributes:
        evaluator: what evaluates.
        scorer: scores tokens with it.
        words: makes the figures of words of them.
    """

    def __init__(self, task: WordsTask, evaluator: "Evaluator") -> None:
        """Use the evaluator of the task."""
        from ...engine import Scorer
        from ...engine.evaluate.words import WordScorer

        self.words = WordScorer(evaluator.model, plain=task.plain)
        self.scorer = Scorer(evaluator, task.stride, self.words.wanted)
        self.evaluator = evaluator
        self._task = task

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self.evaluator.placement

    def results(self, items: Iterable[Text]) -> Iterator[WordRows | Failure]:
        """Yield the rows of texts."""
        from ...engine.evaluate.words import Part, Span, words_in

        scorer, task = self.scorer, self._task
        for result in in_groups(
            items,
            lambda text: scorer.tokens(text, task.prefix),
            scorer.score_together,
            task.parallel,
        ):
            if isinstance(result, Failure):
                yield result
                continue
            text, _, score = result
            cuts = text.cuts or Cuts()
            spans = (
                words_in(text.text) if cuts.spans is None else [Span(*each) for each in cuts.spans]
            )
            assert score.places is not None
            part = Part(score.tokens, score.places, bool(task.prefix))
            words = self.words.words(text.text, spans, part)
            rows = Rows(task.layout, text.number, cuts).made(text.text, spans, words)
            yield WordRows(text.number, rows)

    def interrupted(self) -> Iterator[WordRows | Failure]:
        """Yield nothing: a text has all of its rows or none."""
        return iter(())
