"""The results of the requests of a batch file."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...batches.requests import COMPLETIONS, BatchRequest
from ...batches.results import Result, answered, not_a_request, refused
from ...engine.llama.model import Model
from ...engine.llama.placement import AUTO, Offload, Placement
from ...engine.options import GenerationOptions, own_seed
from ...engine.records import Request
from ...engine.scheduling import Job, Update
from ...engine.whole_texts import TextEvaluators
from ...errors import BindingsError, DeviceFailureError, DistilError, ModelDamagedError
from ...models import ModelFile
from ...serve.answers import Answer, CompletionAnswer, EmbeddingAnswer
from ...serve.errors import ApiError, failed, invalid
from ...serve.fields import Fields
from ...serve.inputs import embedding_call
from ...serve.offer import NO_LIMIT
from ...serve.parameters import completion_call
from ..shared.adapters import adapted

if TYPE_CHECKING:
    from ...engine import Completion, Generator
    from ...engine.session import Needs

_FATAL = (ModelDamagedError, DeviceFailureError, BindingsError)
"""Errors that no other request would escape."""


@dataclass(frozen=True)
class BatchTask:
    """Answers requests.

    Attributes:
        file: the model file.
        name: the model's name in requests and answers.
        parallel: completions computed at once.
        threads: the number of threads; None to choose it while running.
        offload: where the model's layers are wanted.
    """

    file: ModelFile
    name: str
    parallel: int = 1
    threads: int | None = None
    offload: Offload = AUTO

    @contextmanager
    def open(self) -> "Iterator[BatchWork]":
        """Load the model; see `open_generator` for what is raised."""
        from ...engine import open_generator

        with (
            open_generator(
                adapted(self.file),
                GenerationOptions(),
                threads=self.threads,
                parallel=self.parallel,
                offload=self.offload,
            ) as generator,
            closing(TextEvaluators(generator.context.model, self.threads)) as evaluators,
        ):
            yield BatchWork(self, generator, evaluators)

    def needs(self) -> "Needs":
        """Return what a process needs."""
        from ...engine.session import Needs, evaluator_needs, generator_needs

        completions = generator_needs(adapted(self.file), self.offload, self.parallel)
        texts = evaluator_needs(adapted(self.file), self.offload)
        return Needs(completions.device, completions.memory + texts.memory)

    def for_worker(self, threads: int) -> "BatchTask":
        """Return the same for a process beside others."""
        return replace(self, threads=threads)


@dataclass(frozen=True)
class _Offer:
    """The model of a batch file, which has no limits but those of the model."""

    model: Model
    name: str
    window: int
    scales: tuple[float, ...]
    max_tokens: int = NO_LIMIT
    strict: bool = True  # there is no header that would name what was ignored
    score_together: bool = False

    def check_model(self, name: object) -> None:
        """Check that a request names the model.

        Raises:
            ApiError: it names another one.
        """
        if name != self.name:
            raise ApiError(
                404,
                f"The model of this run is {self.name}, not {str(name)[:100]}. Use that name, leave"
                ' out "model", or run the file with another model.',
                param="model",
                code="model_not_found",
            )


class BatchWork:
    """Answers requests with a generator, and the evaluators of whole texts."""

    def __init__(self, task: BatchTask, generator: "Generator", evaluators: TextEvaluators) -> None:
        """Use the generator of the task."""
        self._task = task
        self._generator = generator
        self._evaluators = evaluators
        context = generator.context
        self._offer = _Offer(context.model, task.name, context.size, context.model.adapter_scales)

    @property
    def placement(self) -> Placement:
        """Where the model's layers are."""
        return self._generator.context.placement

    def results(self, items: Iterable[BatchRequest]) -> Iterator[Result]:
        """Yield the results of requests."""
        if self._task.parallel > 1:
            yield from self._chunk(list(items))
        else:
            for request in items:
                yield from self._chunk([request])

    def interrupted(self) -> Iterator[Result]:
        """Yield nothing: a request has all of its answer or none."""
        return iter(())

    def _chunk(self, requests: Sequence[BatchRequest]) -> Iterator[Result]:
        """Yield the results of requests whose completions are computed together.

        Where one fails, as a grammar can that no token of the model follows, those that have no
        result yet are computed one by one: what a result is must not depend on the moment.
        """
        count = 0
        try:
            for result in self._together([self._begun(request) for request in requests]):
                yield result
                count += 1
        except DistilError as error:
            if isinstance(error, _FATAL):
                raise
            if len(requests) == 1:
                yield refused(requests[0], failed(error))
            else:
                for request in requests[count:]:
                    yield from self._chunk([request])

    def _together(self, begun: Sequence["_Begun"]) -> Iterator[Result]:
        """Yield results in order; what has other scales of adapters is not computed together."""
        kinds = list(dict.fromkeys(scales for each in begun if (scales := each.scales) is not None))
        if len(kinds) < 2:  # each result as soon as it is there
            yield from self._of_a_kind(begun, kinds[0] if kinds else None)
            return
        results: dict[int, Result] = {}
        for scales in (None, *kinds):
            some = [number for number, each in enumerate(begun) if each.scales == scales]
            found = self._of_a_kind([begun[number] for number in some], scales)
            results.update(zip(some, found, strict=True))
        yield from (results[number] for number in range(len(begun)))

    def _of_a_kind(
        self, begun: Sequence["_Begun"], scales: tuple[float, ...] | None
    ) -> Iterator[Result]:
        if scales is not None:
            self._generator.scale_adapters(scales)
        completions = self._generator.complete_all(
            job.work for each in begun for job in each.jobs if isinstance(job.work, Request)
        )
        for each in begun:
            for job in each.jobs:
                job.receive(self._update(job, completions))
            yield each.result

    def _update(self, job: Job, completions: "Iterator[Completion]") -> Update:
        """Do a job, and return its only update; completions are in the order of their jobs."""
        if isinstance(job.work, Request):
            completion = next(completions)
            return Update(job, list(completion), completion.finish_reason)
        *_, result = self._evaluators.answer(job.work, job.scales)
        return Update(job, result=result)

    def _begun(self, request: BatchRequest) -> "_Begun":
        if request.fault:
            return _Begun(request, refusal=not_a_request(request, request.fault))
        try:
            return _Begun(request, self._answer(request))
        except ApiError as error:
            return _Begun(request, refusal=refused(request, error))

    def _answer(self, request: BatchRequest) -> Answer:
        if request.url != COMPLETIONS:
            call = embedding_call(Fields(request.body), self._offer)
            return EmbeddingAnswer(call, self._task.name, _ignore)
        return self._completions(request)

    def _completions(self, request: BatchRequest) -> CompletionAnswer:
        call = completion_call(Fields(_with_seed(request)), self._offer)
        if call.stream:
            raise invalid(
                "stream",
                "stream is not supported in a batch. Leave it out.",
                "unsupported_parameter",
            )
        head = {
            "id": request.id.replace("batch_req_", "cmpl-"),
            "object": "text_completion",
            "created": 0,
            "model": self._task.name,
        }
        # A single token is not drawn after the scores of its prompt, but as `generate` draws it.
        alone = replace(call, deterministic=True)
        return CompletionAnswer(alone, head, self._offer.model, _ignore)


class _Begun:
    """A request with the answer that its jobs will make, or the reason why there is none."""

    def __init__(
        self, request: BatchRequest, answer: Answer | None = None, refusal: Result | None = None
    ) -> None:
        self._request = request
        self._answer = answer
        self._refusal = refusal

    @property
    def jobs(self) -> Sequence[Job]:
        return self._answer.jobs if self._answer else ()

    @property
    def scales(self) -> tuple[float, ...] | None:
        """Those of the model's adapters for all jobs; None if there are no jobs."""
        return next((job.scales for job in self.jobs), None)

    @property
    def result(self) -> Result:
        """The result, when all jobs are done."""
        if self._refusal:
            return self._refusal
        assert self._answer
        return answered(self._request, self._answer.body)


def _with_seed(request: BatchRequest) -> dict[str, Any]:
    """Return the body, with a seed that is always the same where it asks for a random one."""
    body = dict(request.body)
    if body.get("seed") in (None, -1):
        body["seed"] = own_seed(request.custom_id or "")
    return body


def _ignore(_update: Update) -> None:
    """Do nothing: nobody watches the progress of a job."""
