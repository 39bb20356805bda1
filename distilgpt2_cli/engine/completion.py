"""One completion: its tokens, their text, and how it ended."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from .llama.native import NativeContext
from .options import GenerationOptions
from .records import FinishReason, Request, Token
from .sampling import Sampler
from .text import TextStream


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
        score: of a text that a beam search has found, from its first token on.
        recent: the newest tokens of prompt and text together, half a context of them at most.
    """

    def __init__(
        self,
        request: Request,
        options: GenerationOptions,
        context: NativeContext,
        prompt: Sequence[int],
        dropped_tokens: int,
        sampler: Sampler,
        advance: Callable[[], object],
    ) -> None:
        """Begin after a prompt that is yet to be evaluated.

        Args:
            request: what it completes.
            options: how its text ends.
            context: where it is evaluated.
            prompt: the tokens to evaluate.
            dropped_tokens: those that were left out before them.
            sampler: what draws the tokens; the completion closes it.
            advance: adds a token to this completion, and to all that are under way beside it.
        """
        self.request = request
        self.prompt = prompt
        self.dropped_tokens = dropped_tokens
        self.prompt_seconds = 0.0
        self.token_count = 0
        self.finish_reason: FinishReason | None = None
        self.complete = options.grammar is None
        self.seconds = 0.0
        self.score: float | None = None
        self.recent = deque(prompt, maxlen=max(context.size // 2, 1))
        self._model = context.model
        self._max_tokens = options.max_tokens
        self._sampler = sampler
        self._advance = advance
        self._stream = TextStream(options.stop)
        self._ready: deque[Token] = deque()
        self._start = 0.0

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
            self._advance()
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
        """Draw the next token from a row of the context's logits.

        Raises:
            NotANumberError: the logits are NaN, and tokens are observed.
            DistilError: a grammar allows no token of the vocabulary.
        """
        if not self._start:
            self._start = time.perf_counter()
        token, observation, self.complete, must_end = self._sampler.sample(row)
        self.token_count += 1
        self.recent.append(token)
        ended = self._model.ends_text(token)
        text = self._stream.feed(b"" if ended else self._model.piece(token))
        reason: FinishReason | None = None
        if self._stream.stopped:
            reason = "stop"
        elif ended:
            reason = "eos"
        elif must_end:
            reason = "stop"
        elif self.token_count == self._max_tokens:
            reason = "length"
        if reason:
            text += self._stream.finish()
            self._end("stop" if self._stream.stopped else reason)
        self._ready.append(Token(token, text, observation))

    def _end(self, reason: FinishReason) -> None:
        self.finish_reason = reason
        if self._start:
            self.seconds = time.perf_counter() - self._start
        self._sampler.close()
