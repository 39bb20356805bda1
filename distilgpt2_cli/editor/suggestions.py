"""Continuations of a text, made in a thread of their own while the text can be edited."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from ..engine.options import MAX_SEED, GenerationOptions

if TYPE_CHECKING:
    from ..engine import Completion, Generator

_TELL_SECONDS = 0.05
"""Between two words of more text: a screen drawn for every token would hold up the next ones."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How suggestions are made.

    Attributes:
        max_tokens: of each.
        temperature: as in `GenerationOptions`, whose other values are the defaults.
        count: how many there are.
    """

    max_tokens: int
    temperature: float
    count: int

    def options(self) -> GenerationOptions:
        """Return them for the engine.

        Raises:
            UsageError: a value is out of range.
        """
        return GenerationOptions(max_tokens=self.max_tokens, temperature=self.temperature)


@dataclass(slots=True)
class Suggestion:
    """One continuation: its seed, its text so far, and whether it has ended."""

    seed: int
    text: str = ""
    done: bool = False


class Suggestions:
    """Several continuations of one text, from one evaluation of it, one after another.

    Each is what ``distil generate`` prints for the text with the suggestion's seed and the same
    maximum of tokens and temperature.

    Attributes:
        text: what they continue.
        items: the continuations, those that are not begun among them.
        error: why there will be no more.
    """

    def __init__(self, text: str, settings: Settings, first_seed: int) -> None:
        """Plan them: the seeds count on from the first one."""
        self.text = text
        self.settings = settings
        seeds = ((first_seed + i) % (MAX_SEED + 1) for i in range(settings.count))
        self.items = [Suggestion(seed) for seed in seeds]
        self.error: Exception | None = None
        self._end = settings.count
        self._times: list[float] = []  # when the first and the newest token came
        self._tokens = 0

    @property
    def next_seed(self) -> int:
        """The first seed of others."""
        return (self.items[-1].seed + 1) % (MAX_SEED + 1)

    @property
    def tokens_per_second(self) -> float | None:
        """The speed so far; None where too little is known."""
        if self._tokens < 2:
            return None
        return (self._tokens - 1) / (self._times[1] - self._times[0])

    def cancel(self) -> None:
        """Make no further token."""
        self._end = 0

    def end_after(self, index: int) -> None:
        """Make no continuation after this one."""
        self._end = index + 1

    def make(self, generator: "Generator", tell: Callable[[], object]) -> None:
        """Fill them, and tell after each bit of text; returns soon after `cancel`.

        Raises:
            DistilError: llama.cpp can't evaluate the text, or what it computes is no number.
        """
        from ..engine import Request
        from ..engine.evaluate.streaming import last_tokens

        if not self._end:
            return
        generator.options = self.settings.options()
        # One more than fits, so that the engine cuts them as it would cut all of the text's.
        prompt = last_tokens(generator.context.model, self.text, generator.context.size + 1)
        batch = generator.complete_all(Request(prompt, item.seed) for item in self.items)
        for index, item in enumerate(self.items):
            if index >= self._end:
                break
            self._fill(index, item, next(batch), tell)
        batch.interrupt()

    def _fill(
        self, index: int, item: Suggestion, completion: "Completion", tell: Callable[[], object]
    ) -> None:
        told = 0.0
        for token in completion:
            if index >= self._end:
                return
            now = time.perf_counter()
            item.text += token.text
            self._times[1:] = [now]
            self._tokens += 1
            if now - told > _TELL_SECONDS:
                told = now
                tell()
        item.done = True
        tell()


class Suggester:
    """Makes suggestions in a thread, the newest wanted ones only. Use it as a context manager."""

    def __init__(self, generator: "Generator", tell: Callable[[], object]) -> None:
        """Use the generator, which must have no other user until the end.

        ``tell`` is called in the thread when there is more to show.
        """
        self._generator = generator
        self._tell = tell
        self._thread = ThreadPoolExecutor(1)
        self._newest: Suggestions | None = None

    def make(self, suggestions: Suggestions) -> None:
        """Begin to fill these; those before are cancelled."""
        self.cancel()
        self._newest = suggestions
        self._thread.submit(self._work, suggestions)

    def cancel(self) -> None:
        """Let the thread rest after the token that it is at."""
        if self._newest:
            self._newest.cancel()

    def _work(self, suggestions: Suggestions) -> None:
        try:
            suggestions.make(self._generator, self._tell)
        except Exception as error:
            suggestions.error = error
            self._tell()

    def __enter__(self) -> "Suggester":
        """Return the suggester itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cancel what is under way and wait for its end."""
        self.cancel()
        self._thread.shutdown()
