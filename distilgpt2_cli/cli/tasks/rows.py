"""The tasks of ``distil map``: what is computed of each row, as values and as text."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ...cluster.rows import Column, Computed, Refused, Row, RowTask
from ...engine.llama.placement import Placement
from ...engine.options import completion_seed, own_seed
from ...engine.records import Token
from ...models import ModelFile
from ...models.names import parts
from ...workers.chunks import texts_to_evaluate, texts_to_generate
from ...workers.tasks import Work
from ..shared.errors import sentences
from .features import Features, FeaturesTask
from .generate import CompletingWork, GenerateTask, text_of
from .lines import Failure, Own, Text
from .score import LINE_COLUMNS, ScoreTask, ScoringWork, line_record, text_line

if TYPE_CHECKING:
    from ...engine import Completion, Score
    from ...engine.session import Needs

_GENERATED = (
    Column("index", "integer", ("index",)),
    Column("prompt", "text", ("prompt",)),
    Column("text", "text", ("text",)),
    Column("seed", "integer", ("seed",)),
    Column("finish_reason", "text", ("finish_reason",)),
    Column("prompt_tokens", "integer", ("tokens", "prompt")),
    Column("completion_tokens", "integer", ("tokens", "completion")),
)
_SCORED = (
    Column("text", "text", ("text",)),
    Column("tokens", "integer", ("tokens", "text")),
    *(Column(name, "number", (name,)) for name in LINE_COLUMNS[3:]),
)


class _ModelTask(Protocol):
    """A task that computes with one model; each is a dataclass."""

    @property
    def file(self) -> ModelFile: ...

    @property
    def parallel(self) -> int: ...

    @property
    def threads(self) -> int | None: ...

    def needs(self) -> "Needs": ...


_Task = TypeVar("_Task", bound=_ModelTask)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class TaskOfRows(ABC, Generic[_Task]):
    """A task of rows; see `RowTask`.

    Attributes:
        task: what it computes of texts.
    """

    task: _Task

    @property
    @abstractmethod
    def columns(self) -> Sequence[Column]:
        """What is computed, without the number and the identifier of the row."""

    @property
    def chunk_texts(self) -> int:
        """How many texts a chunk has at most."""
        return texts_to_evaluate(self.task.parallel)

    @property
    def threads(self) -> int:
        """The threads of a process that computes it."""
        return self.task.threads or 1

    @property
    def memory(self) -> int:
        """The bytes of memory that such a process needs; the model is loaded to know them."""
        from ...engine.llama.loading import forget_early

        needed = self.task.needs().memory
        forget_early()
        return needed

    @property
    def files(self) -> Mapping[Path, str | None]:
        """The model file, or all parts of it, and its adapters, each with its SHA-256 if known."""
        return files_of(self.task.file)

    @abstractmethod
    def moved(self, places: Mapping[Path, Path]) -> "RowTask":
        """Return the same with its files at other places."""

    @abstractmethod
    def open(self) -> AbstractContextManager[Work[Text, Computed | Refused]]:
        """Load the model, and free it when the block ends."""

    def _moved(self, places: Mapping[Path, Path]) -> _Task:
        return replace(self.task, file=moved(self.task.file, places))  # type: ignore[type-var]

    def item(self, row: Row, place: int) -> Text:
        """Return the text of a row."""
        return Text(row.number, row.text, place)


class _WorkOnRows(Generic[_Result]):
    """An opened task of rows."""

    def __init__(self, work: Work[Text, _Result | Failure]) -> None:
        """Use what is opened."""
        self._work = work

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self._work.placement

    def results(self, items: Iterable[Text]) -> Iterator[_Result | Refused]:
        """Yield what was computed of the rows of a chunk, and those of which nothing could be."""
        for result in self._work.results(items):
            if isinstance(result, Failure):
                yield Refused(result.number, sentences(result.error))
            else:
                yield result

    def interrupted(self) -> Iterator[_Result | Refused]:
        """Yield nothing: a part of the output has all of its rows or none."""
        return iter(())


class GenerateRows(TaskOfRows[GenerateTask]):
    """Completes the texts of rows.

    Where rows have identifiers, the seeds follow from the first one and the identifier alone, and
    otherwise from the number of the row, as they do for the lines of ``distil generate --lines``.
    """

    @property
    def columns(self) -> Sequence[Column]:
        """What a record of ``distil generate --json`` has of a completion."""
        return _GENERATED

    @property
    def chunk_texts(self) -> int:
        """How many texts a chunk has at most."""
        return texts_to_generate(self.task.parallel, self.task.sequences)

    def moved(self, places: Mapping[Path, Path]) -> "GenerateRows":
        """Return the same with its files at other places."""
        return GenerateRows(self._moved(places))

    def item(self, row: Row, place: int) -> Text:
        """Return the text of a row, with a seed of its own if it has an identifier."""
        if row.identifier is None:
            return super().item(row, place)
        seed = completion_seed(self.task.first_seed, own_seed(str(row.identifier)))
        return Text(row.number, row.text, place, Own(seed=seed))

    @contextmanager
    def open(self) -> Iterator[Work[Text, Computed | Refused]]:
        """Load the model; see `open_generator` for what is raised."""
        with self.task.open_generator() as generator:
            yield _WorkOnRows(_Completions(self.task, generator))


class _Completions(CompletingWork[Computed]):
    def made(self, completion: "Completion", tokens: Sequence[Token]) -> Computed:
        request, count = completion.request, completion.token_count
        prompt = len(completion.prompt)
        values = (
            request.index,
            request.prompt,
            text_of(tokens),
            completion.seed,
            completion.finish_reason,
            prompt,
            count,
        )
        evaluated = 0 if request.index % self.task.sequences else prompt
        line, is_cut = self.line(completion, tokens), completion.dropped_tokens > 0
        return Computed(request.number, values, line, evaluated + count, is_cut)


class ScoreRows(TaskOfRows[ScoreTask]):
    """Scores the texts of rows."""

    @property
    def columns(self) -> Sequence[Column]:
        """What a line of ``distil score --lines --csv`` has of a text."""
        return _SCORED

    def moved(self, places: Mapping[Path, Path]) -> "ScoreRows":
        """Return the same with its files at other places."""
        return ScoreRows(self._moved(places))

    @contextmanager
    def open(self) -> Iterator[Work[Text, Computed | Refused]]:
        """Load the model; see `open_evaluator` for what is raised."""
        with self.task.evaluator() as evaluator:
            yield _WorkOnRows(_Scores(self.task, evaluator))


class _Scores(ScoringWork[Computed]):
    def made(self, text: Text, score: "Score") -> Computed:
        values = tuple(line_record(text, score).values())
        return Computed(text.number, values, text_line(text, score), len(score.tokens))


class FeaturesRows(TaskOfRows[FeaturesTask]):
    """Computes the hidden states of the texts of rows."""

    @property
    def columns(self) -> Sequence[Column]:
        """What a record of ``distil features --lines --json`` has of a text."""
        kind: Any = "lists of numbers" if self._separated else "numbers"
        return (
            Column("text", "text", ("text",)),
            Column("tokens", "integer", ("tokens", "text")),
            Column("features", kind, ("features",)),
        )

    @property
    def _separated(self) -> bool:
        return self.task.pool == "none"

    def moved(self, places: Mapping[Path, Path]) -> "FeaturesRows":
        """Return the same with its files at other places."""
        return FeaturesRows(self._moved(places))

    @contextmanager
    def open(self) -> Iterator[Work[Text, Computed | Refused]]:
        """Load the model; see `open_evaluator` for what is raised."""
        with self.task.open() as work:
            yield _WorkOnRows(_States(work, self._separated))


class _States:
    """Hidden states of texts, as values and as text."""

    def __init__(self, work: Work[Text, Features | Failure], separated: bool) -> None:
        self._work = work
        self._separated = separated

    @property
    def placement(self) -> Placement:
        return self._work.placement

    def results(self, items: Iterable[Text]) -> Iterator[Computed | Failure]:
        for found in self._work.results(items):
            if isinstance(found, Failure):
                yield found
            else:
                values = (found.text, found.tokens, found.numbers)
                line = "".join(found.text_lines(separated=self._separated))
                yield Computed(found.number, values, line, found.tokens)

    def interrupted(self) -> Iterator[Computed | Failure]:
        return iter(())


def files_of(file: ModelFile) -> dict[Path, str | None]:
    """Return the files that are loaded for a model, each with its SHA-256 if that is known."""
    names = parts(file.path.name)
    known = file.sha256 if len(names) == 1 else None
    paths = [file.path.with_name(name) for name in names]
    return dict.fromkeys(paths, known) | {each.path: None for each in file.adapters}


def moved(file: ModelFile, places: Mapping[Path, Path]) -> ModelFile:
    """Return a model file that is, with its adapters, at other places.

    The parts of a split model must be in one folder, and keep their names.
    """
    adapters = (replace(each, path=places.get(each.path, each.path)) for each in file.adapters)
    return replace(file, path=places.get(file.path, file.path), adapters=tuple(adapters))
