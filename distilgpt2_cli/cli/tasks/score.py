"""The scores of texts, each as it is written: as a line of text, of CSV or of JSON."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

from ...engine.llama.placement import Placement
from ...tables import csv_line
from ..shared.record import finite, model_record, piece_record, placement_record, versions_record
from .lines import Failure, Text, in_groups
from .scoring import ScoringTask

if TYPE_CHECKING:
    from ...engine import Evaluator, Model, Score
    from ...engine.evaluate.places import Places

_Made = TypeVar("_Made")

LINE_COLUMNS = (
    "line", "text", "tokens", "logprob", "mean_logprob", "perplexity", "bits_per_byte",
)  # fmt: skip


class Scored(NamedTuple):
    """What is written for a text."""

    text: str


@dataclass(frozen=True)
class ScoreTask(ScoringTask):
    """Scores the tokens of texts.

    Attributes:
        format: how the scores are written.
        detailed: give each token's rank, entropy and context; always so in JSON.
        top: so many of the most likely tokens at each place, if it is detailed.
        model: the record of the model file, if it was made before.
    """

    format: Literal["text", "csv", "json"] = "text"
    detailed: bool = False
    top: int = 0
    model: Mapping[str, Any] | None = None

    @property
    def is_detailed(self) -> bool:
        """Whether more is wanted of each token than how likely it is."""
        return self.detailed or self.format == "json"

    @contextmanager
    def open(self) -> "Iterator[ScoreWork]":
        """Load the model; see `open_evaluator` for what is raised."""
        with self.evaluator() as evaluator:
            yield ScoreWork(self, evaluator)

    def for_worker(self, threads: int) -> "ScoreTask":
        """Return the same for a process beside others; the model file is hashed only once."""
        model = model_record(self.file) if self.format == "json" else None
        return replace(self, threads=threads, model=model)


class ScoringWork(ABC, Generic[_Made]):
    """Scores texts with an evaluator, and makes something of each score.

    Attributes:
        evaluator: what evaluates.
        scorer: scores texts with it.
        task: what is computed.
        wanted: what is known of each token of a detailed score.
    """

    def __init__(self, task: ScoreTask, evaluator: "Evaluator") -> None:
        """Use the evaluator of the task."""
        from ...engine import Scorer
        from ...engine.evaluate.places import Wanted, no_sets

        self.wanted = Wanted(no_sets(evaluator.model), task.top)
        self.evaluator = evaluator
        self.scorer = Scorer(evaluator, task.stride, self.wanted if task.is_detailed else None)
        self.task = task

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self.evaluator.placement

    @abstractmethod
    def made(self, text: Text, score: "Score") -> _Made:
        """Return what is made of a text and its score."""

    def results(self, items: Iterable[Text]) -> Iterator[_Made | Failure]:
        """Yield what is made of the scores of texts."""
        scorer, task = self.scorer, self.task
        for result in in_groups(
            items,
            lambda text: scorer.tokens(text, task.prefix),
            scorer.score_together,
            task.parallel,
        ):
            if isinstance(result, Failure):
                yield result
            else:
                text, _, score = result
                yield self.made(text, score)

    def interrupted(self) -> Iterator[_Made]:
        """Yield nothing: a text has all of its scores or none."""
        return iter(())


class ScoreWork(ScoringWork[Scored]):
    """Scores texts, and makes lines of the scores."""

    def made(self, text: Text, score: "Score") -> Scored:
        """Return what is written for a text."""
        return Scored(self._written(text, score))

    def _written(self, text: Text, score: "Score") -> str:
        if self.task.format == "json":
            record = score_record(self, self.task, text.text, score)
            return json.dumps({"line": text.number} | record, allow_nan=False) + "\n"
        if self.task.format == "csv":
            row = {"line": text.number, **line_record(text, score)}
            return csv_line(row[column] for column in LINE_COLUMNS)
        return text_line(text, score)


def score_record(work: ScoreWork, task: ScoreTask, text: str, score: "Score") -> dict[str, Any]:
    """Return the record of a text and of each token of a detailed score."""
    placement = work.placement
    assert score.places is not None
    return {
        "prefix": task.prefix,
        "text": text,
        "tokens": {"prefix": score.prefix_tokens, "text": len(score.tokens)},
        **figures_record(score),
        "window": work.scorer.window,
        "stride": work.scorer.stride,
        "scores": list(token_records(work.evaluator.model, score.tokens, score.places)),
        "model": task.model or model_record(task.file),
        "placement": placement_record(placement),
        "warnings": list(placement.warnings),
        "versions": versions_record(),
    }


def token_records(
    model: "Model", tokens: Sequence[int], places: "Places"
) -> Iterator[dict[str, Any]]:
    """Yield the record of each token, of which all is known that `Places` has."""
    bits = math.log(2)
    figures = zip(
        tokens,
        places.logprobs.tolist(),
        (-places.logprobs / bits).tolist(),
        places.ranks.tolist(),
        (places.entropies / bits).tolist(),
        places.contexts.tolist(),
        strict=True,
    )
    for token, logprob, surprisal, rank, entropy, context in figures:
        yield piece_record(model, token) | {
            "logprob": logprob,
            "surprisal": surprisal,
            "rank": rank,
            "entropy": entropy,
            "context": context,
        }


def line_record(text: Text, score: "Score") -> dict[str, Any]:
    """Return the columns of a text in a table of texts, but for its number."""
    return {"text": text.text, "tokens": len(score.tokens), **figures_record(score)}


def text_line(text: Text, score: "Score") -> str:
    """Return a score as a line of text with its end."""
    return (
        f"{score.perplexity:.6g}\t{score.bits_per_byte:.6g}\t{score.logprob:.6f}"
        f"\t{len(score.tokens)}\t{text.number}\t{text.text}\n"
    )


def rows_of(score: "Score") -> Iterator[tuple[int, float, float]]:
    """Yield id, log-probability in nats and surprisal in bits of each token."""
    return zip(score.tokens, score.logprobs.tolist(), score.surprisals.tolist(), strict=True)


def figures_record(score: "Score") -> dict[str, Any]:
    """Return the figures of the whole text."""
    return {
        "logprob": score.logprob,
        "mean_logprob": score.mean_logprob,
        "perplexity": finite(score.perplexity),
        "bits_per_byte": score.bits_per_byte,
    }
