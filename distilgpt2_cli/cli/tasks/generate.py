"""Completions of prompts, each as it is written: as a line of text, or of JSON."""

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ...engine.llama.placement import AUTO, Offload, Placement
from ...engine.options import GenerationOptions, completion_seed
from ...engine.records import Request, Token
from ...errors import DistilError
from ...models import ModelFile
from ..shared.adapters import adapted, name_with_adapters
from ..shared.record import logprob_records, model_record, placement_record, versions_record
from .lines import Failure, Text

if TYPE_CHECKING:
    from ...engine import Completion, Completions, Generator
    from ...engine.session import Needs

_Made = TypeVar("_Made")


class Completed(NamedTuple):
    """A completion.

    Attributes:
        text: what is written for it.
        tokens: how many were drawn.
        is_last: whether it is the last one of its prompt.
        before: notices to show before it.
        after: notices to show after it.
    """

    text: str
    tokens: int
    is_last: bool
    before: Sequence[str]
    after: Sequence[str]


@dataclass(frozen=True)
class GenerateTask:
    """Completes prompts.

    Attributes:
        file: the model file.
        options: those of every completion.
        first_seed: of the first completion; they count up over all prompts.
        sequences: completions of each prompt.
        parallel: completions computed at once.
        threads: the number of threads; None to choose it while running.
        offload: where the model's layers are wanted.
        alternatives: see `Generator`.
        flash_attention: see `Context`.
        prompt: the only prompt, if that is known.
        json: write JSON, with the number of the line unless there is an only prompt.
        echo: write the prompt before the text.
        stats: give a notice with the statistics of each completion.
        model: the record of the model file, if it was made before.
    """

    file: ModelFile
    options: GenerationOptions
    first_seed: int
    sequences: int = 1
    parallel: int = 1
    threads: int | None = None
    offload: Offload = AUTO
    alternatives: int | None = None
    flash_attention: bool = False
    prompt: str | None = None
    json: bool = False
    echo: bool = False
    stats: bool = False
    model: Mapping[str, Any] | None = None

    @contextmanager
    def open(self) -> "Iterator[GenerateWork]":
        """Load the model; see `open_generator` for what is raised."""
        with self.open_generator() as generator:
            yield GenerateWork(self, generator)

    def open_generator(self) -> "AbstractContextManager[Generator]":
        """Load the model, for whoever shows the tokens of a completion one by one."""
        from ...engine import open_generator

        return open_generator(
            adapted(self.file),
            self.options,
            prompt=self.prompt,
            threads=self.threads,
            parallel=self.parallel,
            alternatives=self.alternatives,
            flash_attention=self.flash_attention,
            offload=self.offload,
        )

    def needs(self) -> "Needs":
        """Return what a process needs."""
        from ...engine.session import generator_needs

        return generator_needs(adapted(self.file), self.offload, self.parallel)

    def for_worker(self, threads: int) -> "GenerateTask":
        """Return the same for a process beside others; the model file is hashed only once."""
        model = model_record(self.file) if self.json else None
        return replace(self, threads=threads, model=model)


class CompletingWork(ABC, Generic[_Made]):
    """Completes prompts with a generator, and makes something of each completion.

    Attributes:
        task: what is computed.
        generator: what completes.
    """

    def __init__(self, task: GenerateTask, generator: "Generator") -> None:
        """Use the generator of the task."""
        self.task = task
        self.generator = generator
        self._batch: Completions | None = None
        self._begun: tuple[Completion, list[Token]] | None = None
        self._failures: deque[Failure] = deque()

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self.generator.context.placement

    @abstractmethod
    def made(self, completion: "Completion", tokens: Sequence[Token]) -> _Made:
        """Return what is made of a completion and its tokens."""

    def results(self, items: Iterable[Text]) -> Iterator[_Made | Failure]:
        """Yield what is made of the completions of prompts."""
        self._batch = self.generator.complete_all(requests(self.task, self._usable(items)))
        for completion in self._batch:
            yield from self._failures_before(completion.request.number)
            tokens: list[Token] = []
            self._begun = completion, tokens
            tokens.extend(completion)
            result = self.made(completion, tokens)
            self._begun = None
            yield result
        yield from self._failures_before(None)

    def _usable(self, items: Iterable[Text]) -> Iterator[Text]:
        """Yield those texts whose own grammar the model can follow; note the others."""
        for item in items:
            try:
                if item.own and item.own.options:
                    self.generator.prepare(item.own.options)
            except DistilError as error:
                self._failures.append(Failure(item.number, error))
            else:
                yield item

    def _failures_before(self, number: int | None) -> Iterator[Failure]:
        while self._failures and (number is None or self._failures[0].number < number):
            yield self._failures.popleft()

    def interrupted(self) -> Iterator[_Made]:
        """Yield what is made of the text so far of the completions that have begun."""
        rest = self._batch.interrupt() if self._batch else []
        begun = [self._begun] if self._begun else []
        for completion, tokens in (*begun, *((each, list[Token]()) for each in rest)):
            completion.interrupt()
            tokens.extend(completion)
            yield self.made(completion, tokens)

    def line(self, completion: "Completion", tokens: Sequence[Token]) -> str:
        """Return a completion as a line of text with its end."""
        text = text_of(tokens)
        if self.task.echo:
            text = str(completion.request.prompt) + text
        # Only line ends, for programs that read lines: all else reaches a pipe unchanged.
        return text.replace("\r", "\\r").replace("\n", "\\n") + "\n"


class GenerateWork(CompletingWork[Completed]):
    """Completes prompts, and makes lines of the completions."""

    def made(self, completion: "Completion", tokens: Sequence[Token]) -> Completed:
        """Return what is written for a completion."""
        task, request = self.task, completion.request
        first = request.index % task.sequences == 0
        notice = dropped_notice(self.generator, completion) if first else None
        before = [notice] if notice else []
        after = later_notices(task, self.generator, completion)
        text = self._record(completion, tokens) if task.json else self.line(completion, tokens)
        is_last = request.index % task.sequences == task.sequences - 1
        return Completed(text, completion.token_count, is_last, before, after)

    def _record(self, completion: "Completion", tokens: Sequence[Token]) -> str:
        from ...engine.llama.bindings import features

        task, request, placement = self.task, completion.request, self.placement
        record: dict[str, Any] = {"line": request.number} if task.prompt is None else {}
        if request.options is not None:
            record["own_options"] = True
        record |= {
            "index": request.index,
            "prompt": request.prompt,
            "text": text_of(tokens),
            "seed": completion.seed,
            "finish_reason": completion.finish_reason,
            "tokens": {"prompt": len(completion.prompt), "completion": completion.token_count},
            "options": asdict(request.options or task.options)
            | {
                "parallel": task.parallel,
                "flash_attention": self.generator.context.flash_attention,
            },
            "model": task.model or model_record(task.file),
            "placement": placement_record(placement),
            "warnings": list(placement.warnings),
            "versions": versions_record(),
            "cpu_features": features(),
            "timings": timings_record(self.generator, completion),
        }
        if completion.score is not None:
            record["score"] = completion.score
        if task.alternatives is not None:
            record["logprobs"] = list(logprob_records(self.generator, tokens))
        return json.dumps(record, allow_nan=False) + "\n"


def text_of(tokens: Iterable[Token]) -> str:
    """Return the text of a completion."""
    return "".join(token.text for token in tokens)


def requests(task: GenerateTask, items: Iterable[Text]) -> Iterator[Request]:
    """Yield the requests of every prompt; seeds count up over those that have none of their own."""
    count = task.sequences
    for number, text, place, own, _ in items:
        first = completion_seed(task.first_seed, (number - 1) * count)
        if own and own.seed is not None:
            first = own.seed
        for i in range(count):
            options = own.options if own else None
            seed = completion_seed(first, i)
            yield Request(text, seed, number, place * count + i, options)


def dropped_notice(generator: "Generator", completion: "Completion") -> str | None:
    """Return the notice of a prompt that is longer than the window, None for any other."""
    if not completion.dropped_tokens:
        return None
    return (
        f"Prompt {completion.request.number} is longer than the context window of"
        f" {generator.context.size} tokens: its first {completion.dropped_tokens} tokens are left"
        " out."
    )


def later_notices(
    task: GenerateTask, generator: "Generator", completion: "Completion"
) -> list[str]:
    """Return the notices after a completion has ended."""
    notices = []
    if completion.finish_reason == "length" and not completion.complete:
        notices.append(
            f"The text of seed {completion.seed} is incomplete: it reached --max-tokens"
            f" {completion.token_count} before the end of its grammar."
        )
    if task.stats:
        notices.append(statistics(task.file, generator, completion))
    return notices


def timings_record(generator: "Generator", completion: "Completion") -> Mapping[str, float]:
    """Return seconds, and tokens per second, 0 if no time has passed."""
    prompt, generation = completion.prompt_seconds, completion.seconds
    return {
        "load_seconds": round(generator.load_seconds, 6),
        "prompt_seconds": round(prompt, 6),
        "generation_seconds": round(generation, 6),
        "prompt_tokens_per_second": round(len(completion.prompt) / prompt, 1) if prompt else 0.0,
        "generation_tokens_per_second": (
            round(completion.token_count / generation, 1) if generation else 0.0
        ),
    }


def statistics(file: ModelFile, generator: "Generator", completion: "Completion") -> str:
    """Return the line that ``--stats`` prints for a completion."""
    timings = timings_record(generator, completion)
    return (
        f"seed {completion.seed} · {name_with_adapters(file)} · {completion.finish_reason}"
        f" · load {timings['load_seconds']:.3f} s"
        f" · prompt {len(completion.prompt)} tokens,"
        f" {timings['prompt_tokens_per_second']:.0f} tokens/s"
        f" · completion {completion.token_count} tokens,"
        f" {timings['generation_tokens_per_second']:.0f} tokens/s"
        f" · {generator.context.placement}"
    )
