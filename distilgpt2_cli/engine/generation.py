"""Completions of a prompt, a token at a time."""

import time
from collections import deque
from collections.abc import Generator as GeneratorType
from collections.abc import Iterator, Sequence
from ctypes import Array, c_float
from typing import Literal, NamedTuple

from .context import Context
from .options import GenerationOptions
from .sampling import Sampler
from .text import TextStream

FinishReason = Literal["stop", "length", "eos", "interrupted"]


class Token(NamedTuple):
    """One sampled token, and the text that can be shown since the token before it.

    The text is not always that of this token: a character may need several, and text that may be
    the beginning of a stop sequence waits until it is known not to be.
    """

    id: int
    text: str


class Generator:
    """A prompt, evaluated once, and any number of completions of it.

    A prompt larger than the context keeps its end: as much as leaves room for
    ``options.max_tokens``, but at least half the context.

    Attributes:
        prompt: the tokens of the prompt that are evaluated.
        dropped_tokens: how many tokens of it were left out.
        load_seconds: what loading the model and making the context took, where that is known.
        prompt_seconds: what evaluating the prompt took; 0 before the first completion.
    """

    def __init__(self, context: Context, prompt: Sequence[int], options: GenerationOptions) -> None:
        """Take the tokens of the prompt; none at all stands for the model's start token."""
        self.context = context
        self.options = options
        self.prompt = fit(prompt or [context.model.start_token], context.size, options.max_tokens)
        self.dropped_tokens = max(len(prompt) - len(self.prompt), 0)
        self.load_seconds = 0.0
        self.prompt_seconds = 0.0
        self._logits: Array[c_float] | None = None
        self._intact = False

    def complete(self, seed: int) -> "Completion":
        """Return a new completion; the one before it must not be used any more.

        Each is what it would be as the only one: its first token is drawn from the logits of the
        one evaluation of the prompt.

        Raises:
            UsageError: the seed is out of range.
            DistilError: llama.cpp can't evaluate the prompt.
        """
        sampler = Sampler(self.context, self.prompt, self.options, seed)
        if self._logits is None:
            start = time.perf_counter()
            self._evaluate()
            self._logits = self.context.copy_logits()
            self.prompt_seconds = time.perf_counter() - start
        elif self._intact:
            self.context.rewind(len(self.prompt))
            self.context.restore_logits(self._logits)
        else:
            self._evaluate()
        return Completion(self, sampler, seed)

    def extend(self, recent: Sequence[int]) -> None:
        """Evaluate the newest of the recent tokens.

        A full context is emptied first and half of it filled with recent tokens anew: positions
        are learned ones in GPT-2, so that they can't be shifted.
        """
        if self.context.position < self.context.size:
            self.context.evaluate_one(recent[-1])
            return
        self._intact = False
        self.context.rewind(0)
        self.context.evaluate(recent)

    def _evaluate(self) -> None:
        self.context.rewind(0)
        self.context.evaluate(self.prompt)
        self._intact = True


class Completion:
    """An iterator over the tokens of one completion.

    Attributes:
        seed: what it was drawn with.
        token_count: the tokens sampled so far, an end-of-text token among them.
        finish_reason: None until it has ended.
        seconds: from the first token's draw to the last one's, the caller's own work between them
            included; 0 until it has ended.
    """

    def __init__(self, generator: Generator, sampler: Sampler, seed: int) -> None:
        """Begin after the generator's prompt, whose logits are in place."""
        self.seed = seed
        self.token_count = 0
        self.finish_reason: FinishReason | None = None
        self.seconds = 0.0
        self._generator = generator
        self._sampler = sampler
        self._stream = TextStream(generator.options.stop)
        self._steps = self._generate()

    def __iter__(self) -> Iterator[Token]:
        """Return the completion itself."""
        return self

    def __next__(self) -> Token:
        """Return the next token; waits for it."""
        return next(self._steps)

    def interrupt(self) -> str:
        """End the completion here and return the text held back until now."""
        self._steps.close()
        self._sampler.close()  # a completion that never began has not closed it
        if self.finish_reason is None:
            self.finish_reason = "interrupted"
        return self._stream.finish()

    def _generate(self) -> GeneratorType[Token, None, None]:
        model, options = self._generator.context.model, self._generator.options
        half = max(self._generator.context.size // 2, 1)
        recent = deque(self._generator.prompt, maxlen=half)
        start = time.perf_counter()
        try:
            while True:
                token = self._sampler.sample()
                self.token_count += 1
                ended = model.ends_text(token)
                text = self._stream.feed(b"" if ended else model.piece(token))
                if self._stream.stopped:
                    self.finish_reason = "stop"
                elif ended:
                    self.finish_reason = "eos"
                elif self.token_count == options.max_tokens:
                    self.finish_reason = "length"
                if self.finish_reason:
                    text += self._stream.finish()
                    if self._stream.stopped:
                        self.finish_reason = "stop"
                    yield Token(token, text)
                    return
                yield Token(token, text)
                recent.append(token)
                self._generator.extend(recent)
        finally:
            self.seconds = time.perf_counter() - start
            self._sampler.close()


def fit(prompt: Sequence[int], size: int, max_tokens: int) -> Sequence[int]:
    """Return the end of a prompt that a context of ``size`` tokens takes, or all of it."""
    if len(prompt) <= size:
        return prompt
    keep = max(size - max_tokens, size // 2) if max_tokens >= 0 else size // 2
    return prompt[-max(keep, 1) :]
