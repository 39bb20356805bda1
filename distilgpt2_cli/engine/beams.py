"""Beam search: the likeliest texts after a prompt, as transformers' ``num_beams`` finds them.

The rules are those of ``_beam_search`` in transformers 5, without drawing: what penalties and bans
change are log-probabilities rather than logits, an ended text counts only if it is among the best
``num_beams`` continuations of its step, and a score is a sum of log-probabilities divided by the
number of tokens to the power of the length penalty, an end-of-text token counted.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import NotANumberError
from .bans import Bans
from .candidates import TOKEN_DATA, apply, check_any, logits_of
from .completion import Completion
from .evaluate.probabilities import log_softmax
from .llama.bindings import lib
from .llama.context import Context
from .options import GenerationOptions
from .prompts import PromptEvaluator
from .records import Draw, Request
from .sampling import Sampler, adjuster, free

Logprobs = NDArray[np.float64]


class Beam(NamedTuple):
    """A text under way, or one that was found.

    Attributes:
        tokens: those after the prompt.
        value: the sum of their log-probabilities, or for a found text its score.
        parent: the place, in the step before, of the beam that it continues.
    """

    tokens: Sequence[int]
    value: float
    parent: int = 0


class BeamSearch:
    """The beams of one search, apart from what evaluates them.

    Attributes:
        live: the beams under way, the likeliest first; at the beginning one with no tokens.
        found: the best ended texts so far, at most as many as there are beams.
    """

    def __init__(self, options: GenerationOptions, max_tokens: int, ends: Iterable[int]) -> None:
        """Begin after a prompt.

        Args:
            options: the number of beams, the length penalty, and when to stop.
            max_tokens: where every text ends.
            ends: the tokens that end a text.
        """
        self.live = [Beam((), 0.0)]
        self.found: list[Beam] = []
        self._options = options
        self._max_tokens = max_tokens
        self._ends = frozenset(ends)

    @property
    def is_over(self) -> bool:
        """Whether nothing better can be found, by the rules."""
        if not self.live:
            return True
        if len(self.found) < self._options.num_beams:
            return False
        return self._options.early_stopping or self._score(self.live[0]) <= self.found[-1].value

    def advance(self, logprobs: Logprobs) -> None:
        """Continue every beam by one token, and keep the best.

        Args:
            logprobs: those of all tokens after each live beam, of shape (beams, vocabulary).
        """
        count = self._options.num_beams
        best = list(self._best(logprobs, max(2, 1 + len(self._ends)) * count))
        ended = [self._has_ended(beam) for beam in best]
        self.live = [beam for beam, end in zip(best, ended, strict=True) if not end][:count]
        scored = [
            beam._replace(value=self._score(beam))
            for beam, end in zip(best[:count], ended, strict=False)
            if end
        ]
        self.found = sorted([*self.found, *scored], key=lambda beam: -beam.value)[:count]

    def _best(self, logprobs: Logprobs, count: int) -> Iterator[Beam]:
        totals = logprobs + np.array([[beam.value] for beam in self.live])
        flat = totals.ravel()
        likeliest = np.argpartition(-flat, min(count, len(flat) - 1))[:count]
        for place in sorted(likeliest.tolist(), key=lambda place: (-flat[place], place)):
            parent, token = divmod(place, totals.shape[1])
            if flat[place] > -math.inf:
                yield Beam((*self.live[parent].tokens, token), float(flat[place]), parent)

    def _has_ended(self, beam: Beam) -> bool:
        return beam.tokens[-1] in self._ends or len(beam.tokens) == self._max_tokens

    def _score(self, beam: Beam) -> float:
        return float(beam.value / len(beam.tokens) ** self._options.length_penalty)


class _Adjusted:
    """What changes the log-probabilities after one beam, by the tokens that it has."""

    def __init__(self, chain: object, bans: Bans | None) -> None:
        self._chain = chain
        self._bans = bans

    def after(self, token: int) -> "_Adjusted":
        """Return the same for a beam with one more token."""
        chain, bans = lib.llama_sampler_clone(self._chain), self._bans and self._bans.copy()
        lib.llama_sampler_accept(chain, token)
        if bans:
            bans.accept(token)
        return _Adjusted(chain, bans)

    def apply(self, logprobs: Logprobs) -> Logprobs:
        """Return log-probabilities with biases, penalties and bans."""
        data = np.zeros(len(logprobs), TOKEN_DATA)
        data["id"], data["logit"] = np.arange(len(logprobs)), logprobs
        apply(self._chain, data)
        if self._bans:
            data["logit"][self._bans.tokens()] = -np.inf
            check_any(data)
        return data["logit"].astype(np.float64)

    def free(self) -> None:
        free(self._chain)


def beam_steps(
    context: Context, prompt: Sequence[int], options: GenerationOptions, bans: Bans | None
) -> Iterator[list[Beam] | None]:
    """Find the best texts after a prompt that sequence 0 holds and has the newest logits of.

    The texts end where the context is full, if not before.

    Yields:
        None after each step, and then the texts.

    Raises:
        NotANumberError: the logits are NaN.
        UsageError: the model has no token that a bias is for.
        DistilError: llama.cpp can't evaluate a beam, or all tokens are banned.
    """
    model = context.model
    search = BeamSearch(options, most_tokens(context, prompt, options), model.end_tokens)
    adjusted = [_Adjusted(adjuster(model, prompt, options), bans)]
    held = [0]  # the sequence of each live beam
    try:
        while True:
            rows = {sequence: row for row, sequence in enumerate(sorted(held), -len(held))}
            logprobs = [
                each.apply(_logprobs(context, rows[sequence]))
                for each, sequence in zip(adjusted, held, strict=True)
            ]
            search.advance(np.array(logprobs))
            if search.is_over:
                yield search.found
                return
            before = adjusted
            adjusted = [before[beam.parent].after(beam.tokens[-1]) for beam in search.live]
            for each in before:
                each.free()
            held = _continue(context, held, search.live)
            yield None
    finally:
        for each in adjusted:
            each.free()


def most_tokens(context: Context, prompt: Sequence[int], options: GenerationOptions) -> int:
    """Return how many tokens a text may have, for which the context has room."""
    room = context.size - len(prompt) + 1  # the last token is not evaluated
    return room if options.max_tokens < 0 else min(options.max_tokens, room)


def _logprobs(context: Context, row: int) -> Logprobs:
    logits = logits_of(context.pointer, row, context.model.vocabulary_size)
    logprobs: Logprobs = log_softmax(logits.astype(np.float64))
    if np.isnan(logprobs).any():
        raise NotANumberError
    return logprobs


def _continue(context: Context, held: Sequence[int], live: Sequence[Beam]) -> list[int]:
    """Evaluate the newest token of each beam, and return the sequences that hold them now.

    The first beam that continues another one takes its sequence over; others take a free one.
    """
    kept = {held[beam.parent] for beam in live}
    free_ones = (sequence for sequence in range(context.sequences) if sequence not in kept)
    taken: set[int] = set()
    sequences = []
    for beam in live:
        sequence = held[beam.parent]
        if sequence in taken:
            source, sequence = sequence, next(free_ones)
            context.copy(source, sequence)
        taken.add(sequence)
        sequences.append(sequence)
    in_order = sorted(range(len(live)), key=sequences.__getitem__)
    context.step([live[i].tokens[-1] for i in in_order], [sequences[i] for i in in_order])
    return sequences


@dataclass(slots=True)
class _Search:
    """The texts for one prompt, searched for when the first of them is asked for."""

    context: Context
    request: Request
    prompt: Sequence[int]
    dropped_tokens: int
    prompt_seconds: float
    options: GenerationOptions
    bans: Bans | None
    found: list[Beam] | None = None
    handed_out: int = 0

    def answers(self, request: Request) -> bool:
        return (self.request.number, self.request.prompt) == (request.number, request.prompt)

    def next_completion(self, request: Request) -> Completion:
        completion = completion_of(
            request,
            self.context,
            self.prompt,
            self.dropped_tokens,
            self.options,
            partial(self._nth, self.handed_out),
        )
        completion.prompt_seconds = self.prompt_seconds
        self.handed_out += 1
        return completion

    def _nth(self, number: int) -> Beam:
        if self.found is None:
            *_, self.found = beam_steps(self.context, self.prompt, self.options, self.bans)
        assert self.found
        return nth_of(self.found, number)


def nth_of(found: Sequence[Beam], number: int) -> Beam:
    """Return a text by its rank; the last one where a small vocabulary has not as many."""
    return found[min(number, len(found) - 1)]


def completion_of(
    request: Request,
    context: Context,
    prompt: Sequence[int],
    dropped_tokens: int,
    options: GenerationOptions,
    find: Callable[[], Beam],
) -> Completion:
    """Return a completion whose tokens are those of a text that was found.

    Args:
        request: what it completes.
        context: where it was searched for.
        prompt: the tokens that were evaluated.
        dropped_tokens: those that were left out before them.
        options: how its text ends.
        find: returns the text; called for every token.
    """
    drawn = 0

    def sample(_row: int) -> Draw:
        nonlocal drawn
        text = find()
        completion.score = text.value
        drawn += 1
        return Draw(text.tokens[drawn - 1])

    return (
        completion := Completion(
            request,
            replace(options, max_tokens=most_tokens(context, prompt, options)),
            context,
            prompt,
            dropped_tokens,
            Sampler(sample, lambda: None),
            lambda: completion.draw(-1),
        )
    )


class BeamBatch:
    """An iterator over completions that are the best texts of a beam search.

    Requests of the same number and prompt that follow each other get the best text, the second
    best, and so on. It has the interface of `Batch`.
    """

    def __init__(
        self,
        context: Context,
        prompts: PromptEvaluator,
        prepare: Callable[[Request], tuple[GenerationOptions, Sequence[int], int, Bans | None]],
        requests: Iterable[Request],
    ) -> None:
        """Take the requests one by one.

        Args:
            context: with as many sequences as beams, at least.
            prompts: what evaluates prompts there.
            prepare: returns options, prompt, tokens left out before it, and bans of a request.
            requests: what to complete.
        """
        self._context = context
        self._prompts = prompts
        self._prepare = prepare
        self._requests = iter(requests)
        self._search: _Search | None = None
        self._handed_out: Completion | None = None

    def __iter__(self) -> Iterator[Completion]:
        """Return the batch itself."""
        return self

    def __next__(self) -> Completion:
        """Return the next completion, which searches when it is asked for its first token."""
        if self._handed_out:
            self._handed_out.interrupt()
        request = next(self._requests)
        if self._search is None or not self._search.answers(request):
            self._search = self._begun(request)
        self._handed_out = self._search.next_completion(request)
        return self._handed_out

    def interrupt(self) -> list[Completion]:
        """End everything under way; there is nothing that was not handed out."""
        self._requests = iter(())
        if self._handed_out:
            self._handed_out.interrupt()
        return []

    def _begun(self, request: Request) -> _Search:
        options, prompt, dropped, bans = self._prepare(request)
        for sequence in range(self._context.sequences):
            self._context.rewind(0, sequence)
        self._prompts.forget_all()
        seconds = self._prompts.evaluate(prompt, 0)
        return _Search(self._context, request, prompt, dropped, seconds, options, bans)
