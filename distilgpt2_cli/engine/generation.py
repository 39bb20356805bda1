"""Completions of prompts, a token at a time, one after another or several at once."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .llama.context import Context
from .llama.model import Model
from .options import GenerationOptions
from .prompts import PromptPlacer, fit
from .sampling import Sampler
from .text import TextStream

if TYPE_CHECKING:
    from .constrained import Constraint
    from .observation import Observation

FinishReason = Literal["stop", "length", "eos", "interrupted"]

# Completions that may have begun before the first of them is done, for each sequence: it bounds
# the memory that a slow one among quick ones takes.
_AHEAD = 16


class Token(NamedTuple):
    """One sampled token, and the text that can be shown since the token before it.

    The text is not always that of this token: a character may need several, and text that may be
    the beginning of a stop sequence waits until it is known not to be.

    Attributes:
        id: the token.
        text: what can be shown.
        observation: how likely it and its alternatives were, where that was asked for.
    """

    id: int
    text: str
    observation: "Observation | None" = None


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt to complete, as text or as tokens, with a seed.

    The caller may number prompts, such as by lines, and the completions of each: ``number`` and
    ``index`` mean nothing here and come back with the completion.

    Attributes:
        options: those of this completion; by default those of the generator.
        alternatives: observe each token with so many candidates; by default as the generator says.
    """

    prompt: str | Sequence[int]
    seed: int
    number: int = 1
    index: int = 0
    options: GenerationOptions | None = None
    alternatives: int | None = None


class Generator:
    """Completes prompts in a context, with the same options unless a request has its own.

    A prompt larger than the context keeps its end: as much as leaves room for
    ``options.max_tokens``, but at least half the context.

    Attributes:
        options: those of the completions that begin from now on.
        load_seconds: what loading the model and making the context took, where that is known.
    """

    def __init__(
        self, context: Context, options: GenerationOptions, alternatives: int | None = None
    ) -> None:
        """Use all sequences of the context; it must have no other user.

        With ``alternatives``, each token comes with an observation of so many candidates.

        Raises:
            UsageError: the grammar asks for what the model's vocabulary does not have.
        """
        self.context = context
        self.options = options
        self.alternatives = alternatives
        self.load_seconds = 0.0
        self.placer = PromptPlacer(context)
        self._batch: Batch | None = None
        self._constraint = _constraint(context.model, options)

    def new_sampler(self, prompt: Sequence[int], request: Request) -> Sampler:
        """Return what draws the tokens of one completion.

        Raises:
            UsageError: the seed is out of range.
        """
        options, seed = request.options or self.options, request.seed
        alternatives = self.alternatives if request.alternatives is None else request.alternatives
        constraint = self._constraint
        if options is not self.options:
            constraint = _constraint(self.context.model, options)
        if constraint:
            from .constrained import ConstrainedSampler

            return ConstrainedSampler(self.context, prompt, options, seed, constraint, alternatives)
        if alternatives is None:
            return Sampler(self.context, prompt, options, seed)
        from .observation import ObservingSampler  # it needs NumPy, which takes long to import

        return ObservingSampler(self.context, prompt, options, seed, alternatives)

    def complete(self, prompt: str | Sequence[int], seed: int) -> "Completion":
        """Return a new completion; those before it are ended.

        Each is what it would be as the only one: a prompt that is completed several times in a
        row is evaluated once, and every first token is drawn from the logits of that evaluation.

        Raises:
            UsageError: the seed is out of range.
            DistilError: llama.cpp can't evaluate the prompt.
        """
        return next(self.complete_all([Request(prompt, seed)]))

    def complete_all(self, requests: Iterable[Request]) -> "Batch":
        """Complete requests in as many sequences at a time as the context has.

        With one sequence, each completion is what it would be as the only one. With several, the
        logits depend on how many are evaluated together, but the texts are the same for the same
        requests every time. A request is taken only when a sequence is free for it. Completions
        under way are ended.
        """
        if self._batch:
            self._batch.interrupt()
        self._batch = Batch(self, requests)
        return self._batch


def _constraint(model: Model, options: GenerationOptions) -> "Constraint | None":
    if options.grammar is None:
        return None
    from .constrained import Constraint  # it needs NumPy, which takes long to import

    return Constraint(model, options.grammar)


class Completion:
    """An iterator over the tokens of one completion.

    Attributes:
        request: what it completes.
        prompt: the tokens that were evaluated, for no text at all the model's start token.
        dropped_tokens: how many tokens of the prompt were left out at its beginning.
        prompt_seconds: what evaluating the prompt took, for this completion or one before it.
        token_count: the tokens sampled so far, an end-of-text token among them.
        finish_reason: None until it has ended.
        complete: whether the text may end where it does; a grammar can ask for more.
        seconds: from the first token's draw to the last one's, whatever else was done between
            them included; 0 until it has ended.
    """

    def __init__(
        self, batch: "RunningBatch", request: Request, prompt: Sequence[int], dropped_tokens: int
    ) -> None:
        """Begin after a prompt that is yet to be evaluated."""
        self.request = request
        self.prompt = prompt
        self.dropped_tokens = dropped_tokens
        self.prompt_seconds = 0.0
        self.token_count = 0
        self.finish_reason: FinishReason | None = None
        self.complete = True
        self.seconds = 0.0
        self._batch = batch
        context, options = batch.generator.context, request.options or batch.generator.options
        self._model = context.model
        self._max_tokens = options.max_tokens
        self._sampler = batch.generator.new_sampler(prompt, request)
        self._stream = TextStream(options.stop)
        self._ready: deque[Token] = deque()
        self._start = 0.0
        self.recent = deque(prompt, maxlen=max(context.size // 2, 1))

    @property
    def seed(self) -> int:
        """What it is drawn with."""
        return self.request.seed

    def __iter__(self) -> Iterator[Token]:
        """Return the completion itself."""
        return self

    def __next__(self) -> Token:
        """Return the next token; waits for it."""
        while not self._ready:
            if self.finish_reason:
                raise StopIteration
            self._batch.advance()
        return self._ready.popleft()

    def take_ready(self) -> list[Token]:
        """Return the tokens that were made and not handed out yet, without waiting for more."""
        ready = list(self._ready)
        self._ready.clear()
        return ready

    def interrupt(self) -> None:
        """End the completion here; text that was held back until now comes as a last token."""
        if self.finish_reason is None:
            held_back = self._stream.finish()
            if held_back:
                self._ready.append(Token(self.recent[-1], held_back))
            self._end("interrupted")

    def draw(self, row: int) -> None:
        """Draw the next token from a row of the context's logits."""
        if not self._start:
            self._start = time.perf_counter()
        token = self._sampler.sample(row)
        self.token_count += 1
        self.recent.append(token)
        ended = self._model.ends_text(token)
        text = self._stream.feed(b"" if ended else self._model.piece(token))
        reason: FinishReason | None = None
        if self._stream.stopped:
            reason = "stop"
        elif ended:
            reason = "eos"
        elif self._sampler.finished:
            reason = "stop"
        elif self.token_count == self._max_tokens:
            reason = "length"
        if reason:
            text += self._stream.finish()
            self._end("stop" if self._stream.stopped else reason)
        self._ready.append(Token(token, text, self._sampler.observation))

    def _end(self, reason: FinishReason) -> None:
        self.finish_reason = reason
        self.complete = self._sampler.complete
        if self._start:
            self.seconds = time.perf_counter() - self._start
        self._sampler.close()


class RunningBatch:
    """The completions under way in a generator's sequences.

    Each step adds a token to all of them. One may join or end between any two steps.
    """

    def __init__(self, generator: Generator) -> None:
        """Use all sequences of the generator's context."""
        self.generator = generator
        self._context = generator.context
        self._running: list[Completion | None] = [None] * self._context.sequences

    def advance(self) -> None:
        """Add a token to everything that is under way."""
        self._drop_ended()
        self._close_gaps()
        self._add_tokens()

    def begin(self, request: Request, register: Callable[[Completion], object]) -> None:
        """Evaluate a prompt in a free sequence, of which there must be one, and draw a token.

        Args:
            request: what to complete.
            register: is given the completion before its prompt is evaluated.

        Raises:
            UsageError: the seed is out of range.
            DistilError: llama.cpp can't evaluate the prompt.
        """
        self._drop_ended()
        self._begin(request, self._running.index(None), register)

    def _begin(
        self, request: Request, sequence: int, register: Callable[[Completion], object]
    ) -> None:
        context, options = self._context, request.options or self.generator.options
        whole = request.prompt
        if isinstance(whole, str):
            whole = context.model.tokenize(whole)
        prompt = fit(whole or [context.model.start_token], context.size, options.max_tokens)
        completion = Completion(self, request, prompt, max(len(whole) - len(prompt), 0))
        self._running[sequence] = completion
        register(completion)
        completion.prompt_seconds = self.generator.placer.place(prompt, sequence)
        completion.draw(-1)

    def _drop_ended(self) -> None:
        for sequence, running in enumerate(self._running):
            if running and running.finish_reason:
                self._running[sequence] = None

    def _close_gaps(self) -> None:
        """Move the last completions to free sequences before them.

        llama.cpp evaluates sequences together only if their numbers follow each other.
        """
        count = sum(running is not None for running in self._running)
        last = len(self._running)
        for gap in range(count):
            if self._running[gap] is not None:
                continue
            last -= 1
            while self._running[last] is None:
                last -= 1
            self._context.copy(last, gap)
            self.generator.placer.copied(last, gap)
            self._running[gap], self._running[last] = self._running[last], None

    def _add_tokens(self) -> None:
        stepping: list[int] = []
        completions: list[Completion] = []
        for sequence, completion in enumerate(self._running):
            if completion is None or completion.finish_reason:
                continue
            if self._context.positions[sequence] == self._context.size:
                self._turn(completion, sequence)
            else:
                stepping.append(sequence)
                completions.append(completion)
        if stepping:
            self._context.step([completion.recent[-1] for completion in completions], stepping)
            for row, completion in enumerate(completions):
                completion.draw(row)

    def _turn(self, completion: Completion, sequence: int) -> None:
        """Empty a full sequence and fill half of it with its recent tokens anew.

        Positions are learned ones in GPT-2, so that they can't be shifted.
        """
        self.generator.placer.overwritten(sequence)
        self._context.rewind(0, sequence)
        self._context.evaluate(completion.recent, sequence)
        completion.draw(-1)


class Batch(RunningBatch):
    """An iterator over completions in the order of their requests, several under way at once.

    A completion that has been handed out is ended when the next one is asked for.
    """

    def __init__(self, generator: Generator, requests: Iterable[Request]) -> None:
        """Take the requests one by one, each when there is a sequence for it."""
        super().__init__(generator)
        self._requests = iter(requests)
        self._begun: deque[Completion] = deque()
        self._handed_out: Completion | None = None

    def __iter__(self) -> Iterator[Completion]:
        """Return the batch itself."""
        return self

    def __next__(self) -> Completion:
        """Return the next completion, which may have only begun."""
        if self._handed_out:
            self._handed_out.interrupt()
        if not self._begun:
            self._begin_new()
        if not self._begun:
            raise StopIteration
        self._handed_out = self._begun.popleft()
        return self._handed_out

    def interrupt(self) -> list[Completion]:
        """End everything under way and return what was not handed out, in order."""
        rest = list(self._begun)
        self._begun.clear()
        self._requests = iter(())
        for completion in rest if self._handed_out is None else (self._handed_out, *rest):
            completion.interrupt()
        return rest

    def advance(self) -> None:
        """Begin what can begin, or else add a token to everything that is under way."""
        if not self._begin_new():
            self._add_tokens()

    def _begin_new(self) -> bool:
        """Give every free sequence to a request; tell whether there was any."""
        self._drop_ended()
        any_begun = False
        for sequence, running in enumerate(self._running):
            if running is None:
                if len(self._begun) >= _AHEAD * self._context.sequences:
                    break
                request = next(self._requests, None)
                if request is None:
                    break
                self._begin(request, sequence, self._begun.append)
                any_begun = True
        self._close_gaps()
        return any_begun
