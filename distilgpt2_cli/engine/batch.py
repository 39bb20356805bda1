"""Completions under way in the sequences of a context, several of them at once."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from .completion import Completion
from .llama.context import Context
from .prompts import PromptEvaluator
from .records import Request

# Completions that may have begun before the first of them is done, for each sequence: it bounds
# the memory that a slow one among quick ones takes.
_AHEAD = 16


class Completer(Protocol):
    """What makes completions."""

    def prompt_of(self, request: Request) -> Sequence[int]:
        """Return the tokens to evaluate."""

    def new_completion(self, request: Request, advance: Callable[[], object]) -> Completion:
        """Return a completion, which calls ``advance`` for more tokens.

        Raises:
            UsageError: the seed is out of range, or the model can't obey the grammar.
        """


class Completions(Protocol):
    """An iterator over completions in the order of their requests."""

    def __iter__(self) -> Iterator[Completion]:
        """Return the iterator itself."""

    def __next__(self) -> Completion:
        """Return the next completion, which may have only begun; the one before it is ended."""

    def interrupt(self) -> list[Completion]:
        """End everything under way and return what was not handed out, in order."""


class RunningBatch:
    """The completions under way in the sequences of a context.

    Each step adds a token to all of them. One may join or end between any two steps.
    """

    def __init__(self, context: Context, prompts: PromptEvaluator, completer: Completer) -> None:
        """Use all sequences of the context, whose prompts ``prompts`` evaluates."""
        self._context = context
        self._prompts = prompts
        self._completer = completer
        self._running: list[Completion | None] = [None] * context.sequences
        self._ahead: list[int] = []  # sequences whose prompts are evaluated, and not begun

    def advance(self) -> None:
        """Add a token to everything that is under way."""
        self._drop_ended()
        self._close_gaps()
        self._add_tokens()

    def look_ahead(self, requests: Sequence[Request]) -> None:
        """Evaluate those prompts together that gain by it, before `begin` is asked for each.

        Args:
            requests: those that begin next, no more than there are free sequences.

        Raises:
            NotANumberError: the logits are NaN.
            DistilError: llama.cpp can't evaluate the prompts.
        """
        if len(requests) > 1:
            self._drop_ended()
            self._close_gaps()
            free = range(len(self._running) - self._running.count(None), len(self._running))
            prompts = map(self._completer.prompt_of, requests)
            self._ahead = self._prompts.evaluate_together(prompts, free)

    def scale_adapters(self, scales: Sequence[float]) -> None:
        """Use the model's adapters with these scales; nothing may be under way."""
        self._ahead = []
        self._prompts.scale_adapters(scales)

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
        completion = self._completer.new_completion(request, self.advance)
        sequence = self._free_sequence(completion.prompt)
        self._running[sequence] = completion
        register(completion)
        completion.prompt_seconds = self._prompts.evaluate(completion.prompt, sequence)
        completion.draw(-1)

    def _free_sequence(self, prompt: Sequence[int]) -> int:
        """Return the one that begins with the prompt, or one that nobody waits for."""
        free = [number for number, running in enumerate(self._running) if running is None]
        held = [number for number in free if self._prompts.is_held(prompt, number)]
        others = [number for number in free if number not in self._ahead]
        sequence = (held or others or free)[0]
        if sequence in self._ahead:
            self._ahead.remove(sequence)
        return sequence

    def _drop_ended(self) -> None:
        for sequence, running in enumerate(self._running):
            if running and running.finish_reason:
                self._running[sequence] = None

    def _close_gaps(self) -> None:
        """Move the last completions to free sequences before them.

        llama.cpp evaluates sequences together only if their numbers follow each other.
        """
        count = len(self._running) - self._running.count(None)
        last = len(self._running)
        for gap in range(count):
            if self._running[gap] is not None:
                continue
            last -= 1
            while self._running[last] is None:
                last -= 1
            self._context.copy(last, gap)
            self._prompts.copied(last, gap)
            self._running[gap], self._running[last] = self._running[last], None

    def _add_tokens(self) -> None:
        stepping: list[int] = []
        completions: list[Completion] = []
        for sequence, completion in enumerate(self._running):
            if completion is None or completion.finish_reason:
                continue
            if len(self._context.tokens[sequence]) == self._context.size:
                self._shift_context(completion, sequence)
            else:
                stepping.append(sequence)
                completions.append(completion)
        if stepping:
            self._context.step([completion.recent[-1] for completion in completions], stepping)
            for row, completion in enumerate(completions, -len(completions)):
                completion.draw(row)

    def _shift_context(self, completion: Completion, sequence: int) -> None:
        """Empty a full sequence and fill half of it with its recent tokens anew.

        Positions are learned ones in GPT-2, so that they can't be shifted.
        """
        self._prompts.overwritten(sequence)
        self._context.rewind(0, sequence)
        self._context.evaluate(list(completion.recent), sequence)
        completion.draw(-1)


class Batch(RunningBatch):
    """An iterator over completions in the order of their requests, several under way at once.

    A completion that has been handed out is ended when the next one is asked for.
    """

    def __init__(
        self,
        context: Context,
        prompts: PromptEvaluator,
        completer: Completer,
        requests: Iterable[Request],
    ) -> None:
        """Take the requests one by one, each when there is a sequence for it."""
        super().__init__(context, prompts, completer)
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
        """Give every free sequence to a request; return whether there was any."""
        self._drop_ended()
        room = min(self._running.count(None), _AHEAD * self._context.sequences - len(self._begun))
        requests = list(islice(self._requests, max(room, 0)))
        self.look_ahead(requests)
        for request in requests:
            self.begin(request, self._begun.append)
        self._close_gaps()
        return bool(requests)
