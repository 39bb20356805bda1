"""What a probe has computed: completions of all variants by seed, and scores of texts."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ...engine.llama.placement import AUTO, Offload, Placement
from ...engine.options import GenerationOptions
from ...engine.records import Request

if TYPE_CHECKING:
    from ...engine import Completion, Completions, Evaluator, Generator
    from ...engine.session import Needs


class Completed(NamedTuple):
    """A completion that was not interrupted.

    Attributes:
        variant: the index of its prompt.
        seed_index: that of its seed.
        text: the text without its prompt.
        finish_reason: why it ended.
        tokens: how many were drawn.
    """

    variant: int
    seed_index: int
    text: str
    finish_reason: str
    tokens: int


@dataclass(frozen=True)
class CompletionsTask:
    """Completes every prompt with every seed of a chunk, which is an index and a seed.

    Attributes:
        path: the model file, maybe with adapters.
        prompts: one for each variant.
        options: those of every completion.
        size: the tokens that a text may have.
        parallel: completions computed at once.
        threads: the number of threads; None to choose it while running.
        offload: where the model's layers are wanted.
    """

    path: os.PathLike[str]
    prompts: tuple[str, ...]
    options: GenerationOptions
    size: int
    parallel: int
    threads: int | None
    offload: Offload = AUTO

    @contextmanager
    def open(self) -> "Iterator[CompletionsWork]":
        """Load the model; see `Context` for what is raised."""
        from ...engine import Context, Generator
        from ...engine.llama.loading import load

        with (
            load(self.path, self.offload) as model,
            Context(model, self.size, self.threads, self.parallel) as context,
        ):
            yield CompletionsWork(self, Generator(context, self.options))

    def needs(self) -> "Needs":
        """Return what a process needs."""
        from ...engine.session import generator_needs

        return generator_needs(self.path, self.offload, self.parallel)

    def for_worker(self, threads: int) -> "CompletionsTask":
        """Return the same for a process beside others."""
        return replace(self, threads=threads)


class CompletionsWork:
    """Completes prompts with a generator."""

    def __init__(self, task: CompletionsTask, generator: "Generator") -> None:
        """Use the generator of the task."""
        self._task = task
        self._generator = generator
        self._batch: Completions | None = None

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self._generator.context.placement

    def results(self, items: Iterable[tuple[int, int]]) -> Iterator[Completed]:
        """Yield the completions of one prompt after another."""
        seeds = list(items)
        requests = [
            Request(prompt, seed, variant, index)
            for variant, prompt in enumerate(self._task.prompts)
            for index, seed in seeds
        ]
        self._batch = self._generator.complete_all(requests)
        yield from map(_completed, self._batch)

    def interrupted(self) -> Iterator[Completed]:
        """Yield the completions that had ended."""
        completions = map(_completed, self._batch.interrupt() if self._batch else ())
        return (each for each in completions if each.finish_reason != "interrupted")


def _completed(completion: "Completion") -> Completed:
    text = "".join(token.text for token in completion)
    request = completion.request
    reason = completion.finish_reason or "interrupted"
    return Completed(request.number, request.index, text, reason, completion.token_count)


class TextScore(NamedTuple):
    """How many tokens a text has, and its log-probability in nats: the sum over them."""

    tokens: int
    logprob: float


Texts = Sequence[tuple[str, str]]
"""Texts, each after what stands before it."""


@dataclass(frozen=True)
class TextsTask:
    """Scores groups of texts, each text alone.

    Attributes:
        path: the model file, maybe with adapters.
        longest: the tokens of the longest text with what stands before it.
        threads: see `evaluator_for`.
        offload: where the model's layers are wanted.
    """

    path: os.PathLike[str]
    longest: int
    threads: int | None
    offload: Offload = AUTO

    @contextmanager
    def open(self) -> "Iterator[TextsWork]":
        """Load the model; see `evaluator_for` for what is raised."""
        from ...engine.evaluate.evaluator import evaluator_for
        from ...engine.llama.loading import load

        with (
            load(self.path, self.offload) as model,
            evaluator_for(model, self.longest, self.threads) as evaluator,
        ):
            yield TextsWork(evaluator)

    def needs(self) -> "Needs":
        """Return what a process needs."""
        from ...engine.session import evaluator_needs

        return evaluator_needs(self.path, self.offload)

    def for_worker(self, threads: int) -> "TextsTask":
        """Return the same for a process beside others."""
        return replace(self, threads=threads)


class TextsWork:
    """Scores texts with an evaluator."""

    def __init__(self, evaluator: "Evaluator") -> None:
        """Use the evaluator of the task."""
        from ...engine import Scorer

        self._evaluator = evaluator
        self._scorer = Scorer(evaluator)

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self._evaluator.placement

    def results(self, items: Iterable[Texts]) -> Iterator[list[TextScore]]:
        """Yield the scores of the texts of each group."""
        for texts in items:
            scores = [self._scorer.score(text, before) for before, text in texts]
            yield [TextScore(len(score.tokens), score.logprob) for score in scores]

    def interrupted(self) -> Iterator[list[TextScore]]:
        """Yield nothing: a group has all of its scores or none."""
        return iter(())
