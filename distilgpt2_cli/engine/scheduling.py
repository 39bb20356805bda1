"""Completions for several callers at once, who come and go while others' are under way."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, takewhile
from queue import SimpleQueue
from typing import NamedTuple

from ..errors import DistilError
from .completion import Completion
from .generator import Generator
from .llama.context import Context
from .llama.model import Model
from .options import GenerationOptions
from .records import FinishReason, Request, Token
from .whole_texts import TextEvaluators, TextRequest, TextResult


class Update(NamedTuple):
    """What is new of a job since the update before.

    Attributes:
        job: whose.
        tokens: those made since, with their text.
        finish_reason: why the completion has ended, or None while it goes on.
        result: what a job for a text asked for.
        error: what ended the job instead.
    """

    job: "Job"
    tokens: Sequence[Token] = ()
    finish_reason: FinishReason | None = None
    result: TextResult | None = None
    error: Exception | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes."""
        return bool(self.finish_reason or self.error or self.result is not None)


@dataclass(eq=False, slots=True)
class Job:
    """Something asked of a scheduler: a completion, or the features or scores of a text.

    Attributes:
        work: the request.
        receive: is given every update, in the thread that the scheduler hands them over to.
        alone: evaluate nothing else beside it, so that it is what it would be as the only one.
        whole: send updates of the first token and of the end only, with all tokens between them:
            each one takes a core from the computation for a moment.
        scales: of the model's adapters; None for those that it was loaded with.
        is_begun: whether an update was sent.
        completion: while it is under way.
        evaluation: that of a text, while it is under way.
    """

    work: Request | TextRequest
    receive: Callable[[Update], None]
    alone: bool = False
    whole: bool = False
    scales: tuple[float, ...] | None = None
    is_begun: bool = field(default=False, init=False)
    completion: Completion | None = field(default=None, init=False)
    evaluation: Iterator[TextResult | None] | None = field(default=None, init=False)


@dataclass(slots=True)
class Load:
    """What a scheduler has done since its start, and what it is doing.

    Attributes:
        running: completions under way.
        waiting: jobs that no sequence was free for yet.
        steps: evaluations of one token for all sequences of a batch.
        step_seconds: what they took together.
        step_tokens: tokens made by them.
        prompt_seconds: what evaluating prompts took, and drawing the first token after each.
    """

    running: int = 0
    waiting: int = 0
    steps: int = 0
    step_seconds: float = 0.0
    step_tokens: int = 0
    prompt_seconds: float = 0.0


class Scheduler:
    """Runs jobs in a thread of its own, which is the only one that uses the contexts.

    Between two steps of the batch, jobs that have come begin if a sequence is free, in the order
    in which they came, and jobs that were cancelled leave. Jobs to be alone have a context with
    one sequence, as `open_generator` makes it: it takes turns with the batch, a step each, one job
    after another. Features and scores are computed a text at a time, one evaluation between two
    steps.

    Only jobs with the same scales of adapters are in a batch together. When it is empty, it goes to
    the oldest job, and to all of the same scales that have come by then; from then on nobody
    overtakes one of other scales.
    """

    def __init__(
        self,
        model: Model,
        sequences: int,
        threads: int | None,
        hand_over: Callable[[Sequence[Update]], None],
    ) -> None:
        """Make room for so many completions at once; `start` makes the thread.

        Args:
            model: what completes the texts; it must outlive the scheduler.
            sequences: completions under way at once, besides one alone.
            threads: by default found out while generating.
            hand_over: called in the scheduler's thread with the updates of each step. It must
                not wait, and must give each job's ``receive`` its updates.

        Raises:
            UsageError: there are more sequences than llama.cpp can evaluate together.
            DistilError: llama.cpp can't make the context.
        """
        self.model = model
        self.load = Load()
        self._threads = threads
        self._hand_over = hand_over
        self._context = Context(model, None, threads, sequences)
        self.placement = self._context.placement
        self.window = self._context.size
        self._queues = [_JobQueue(self._context)]
        self._alone: Context | None = None
        self._evaluators = TextEvaluators(model, threads)
        self._texts: deque[Job] = deque()
        self._asked: SimpleQueue[tuple[Callable[[Job], None], Job] | None] = SimpleQueue()
        self._updates: list[Update] = []
        self._thread = threading.Thread(target=self._run, name="scheduler")

    def start(self) -> None:
        """Begin to run jobs."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Have a job done when its turn comes; from any thread."""
        self._asked.put((self._take, job))

    def cancel(self, job: Job) -> None:
        """End a job before the next step, wherever it is; nothing more is heard of it."""
        self._asked.put((self._drop, job))

    def close(self) -> None:
        """End all jobs and the thread, and free the contexts."""
        if self._thread.is_alive():
            self._asked.put(None)
            self._thread.join()
        self._evaluators.close()
        for context in (self._context, self._alone):
            if context:
                context.close()

    def _run(self) -> None:
        while self._hear():
            for jobs in self._queues:
                self._begin(jobs)
                self._step(jobs)
            if self._texts:
                self._evaluate(self._texts[0])
            self._publish()

    def _hear(self) -> bool:
        """Take in what was asked for, waiting if there is nothing to do.

        Returns:
            Whether to go on.
        """
        idle = not self._texts and not any(jobs.is_busy for jobs in self._queues)
        while idle or not self._asked.empty():
            asked = self._asked.get()
            if asked is None:
                return False
            act, job = asked
            act(job)
            idle = False
        return True

    def _take(self, job: Job) -> None:
        if job.scales is None:
            job.scales = self.model.adapter_scales
        if not isinstance(job.work, Request):
            self._texts.append(job)
        elif job.alone:
            self._enqueue_alone(job)
        else:
            self._queues[0].waiting.append(job)

    def _enqueue_alone(self, job: Job) -> None:
        if len(self._queues) == 1:
            try:
                self._alone = Context(self.model, None, self._threads)
            except Exception as error:
                self._fail(job, error)
                return
            self._queues.append(_JobQueue(self._alone))
        self._queues[1].waiting.append(job)

    def _drop(self, job: Job) -> None:
        for waiting in (self._texts, *(jobs.waiting for jobs in self._queues)):
            if job in waiting:
                waiting.remove(job)
        for jobs in self._queues:
            if job in jobs.running:
                jobs.running.remove(job)
        _end(job)

    def _begin(self, jobs: "_JobQueue") -> None:
        """Begin what can begin, and let each first token be seen at once.

        After one that its first token ends, what is under way has its turn: the sequence is free
        again, and any number of such jobs would begin one after another.
        """
        if jobs.takes_next():
            start = time.perf_counter()
            with suppress(DistilError):  # each job meets its own error when it begins
                jobs.look_ahead()
            self.load.prompt_seconds += time.perf_counter() - start
        while jobs.takes_next():
            job = jobs.waiting.popleft()
            jobs.running.append(job)
            start = time.perf_counter()
            try:
                jobs.begin(job)
            except Exception as error:
                jobs.running.remove(job)
                self._fail(job, error)
            else:
                self.load.prompt_seconds += time.perf_counter() - start
                self._report(jobs)
            self._publish()
            if job not in jobs.running:
                break

    def _step(self, jobs: "_JobQueue") -> None:
        if not jobs.running:
            return
        start, count = time.perf_counter(), len(jobs.running)
        try:
            jobs.batch.advance()
        except Exception as error:
            for job in jobs.running:
                self._fail(job, error)
            jobs.running.clear()
            return
        self.load.step_seconds += time.perf_counter() - start
        self.load.steps += 1
        self.load.step_tokens += count
        self._report(jobs)

    def _report(self, jobs: "_JobQueue") -> None:
        """Note what the completions of a queue have made; those that have ended leave it."""
        ended = []
        for job in jobs.running:
            completion = job.completion
            assert completion
            if job.whole and job.is_begun and not completion.finish_reason:
                continue
            job.is_begun = True
            tokens = completion.take_ready()
            if tokens or completion.finish_reason:
                self._updates.append(Update(job, tokens, completion.finish_reason))
            if completion.finish_reason:
                ended.append(job)
        for job in ended:
            jobs.running.remove(job)
            _end(job)

    def _evaluate(self, job: Job) -> None:
        """Do the next evaluation of the first text; the last one gives its result."""
        assert not isinstance(job.work, Request)
        job.evaluation = job.evaluation or self._evaluators.answer(job.work, job.scales)
        try:
            result = next(job.evaluation)
        except Exception as error:
            self._texts.popleft()
            self._fail(job, error)
            return
        if result is not None:
            self._texts.popleft()
            _end(job)
            self._updates.append(Update(job, result=result))

    def _fail(self, job: Job, error: Exception) -> None:
        _end(job)
        self._updates.append(Update(job, error=error))

    def _publish(self) -> None:
        self.load.running = sum(len(jobs.running) for jobs in self._queues)
        self.load.waiting = len(self._texts) + sum(len(jobs.waiting) for jobs in self._queues)
        if self._updates:
            updates, self._updates = self._updates, []
            self._hand_over(updates)


def _end(job: Job) -> None:
    """Free what a completion holds, and do not wait for Python to find that nobody needs it."""
    if job.completion:
        job.completion.interrupt()
        job.completion = None
    job.evaluation = None


class _JobQueue:
    """A context with the jobs that run in it and those that wait for it."""

    def __init__(self, context: Context) -> None:
        self.batch = Generator(context, GenerationOptions()).running_batch()
        self._context = context
        self.running: list[Job] = []
        self.waiting: deque[Job] = deque()

    def takes_next(self) -> bool:
        """Return whether the next of the waiting jobs can begin, for which scales may change."""
        if not self.waiting or not self._room:
            return False
        wanted = self.waiting[0].scales
        if wanted == self._context.adapter_scales:
            return True
        if self.running:
            return False
        self.batch.scale_adapters(wanted or ())
        self.waiting = deque(sorted(self.waiting, key=lambda job: job.scales != wanted))
        return True

    @property
    def _room(self) -> int:
        return self._context.sequences - len(self.running)

    def look_ahead(self) -> None:
        """Evaluate what gains by it together, of the jobs that there is room for."""
        alike = takewhile(lambda job: job.scales == self.waiting[0].scales, self.waiting)
        next_jobs = islice(alike, self._room)
        self.batch.look_ahead([job.work for job in next_jobs if isinstance(job.work, Request)])

    @property
    def is_busy(self) -> bool:
        return bool(self.running or self.waiting)

    def begin(self, job: Job) -> None:
        """Begin a completion, which belongs to the job even if it fails."""
        assert isinstance(job.work, Request)

        def register(completion: Completion) -> None:
            job.completion = completion

        self.batch.begin(job.work, register)
