"""Continuations of a text, generated in a thread while the text can be edited."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING

from ..engine.options import GenerationOptions, completion_seed

if TYPE_CHECKING:
    from ..engine import Completion, Generator

_REDRAW_SECONDS = 0.05
"""The least time between two updates: drawing every token would delay the next ones."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How suggestions are generated.

    Attributes:
        max_tokens: the most tokens of each.
        temperature: as in `GenerationOptions`.
        count: how many there are.
        others: all other options.
    """

    max_tokens: int
    temperature: float
    count: int
    others: GenerationOptions = field(default_factory=GenerationOptions)

    def options(self) -> GenerationOptions:
        """Return the options for the engine.

        Raises:
            UsageError: a value is out of range.
        """
        return replace(self.others, max_tokens=self.max_tokens, temperature=self.temperature)


@dataclass(slots=True)
class Suggestion:
    """One continuation: its seed, its text so far, and whether it has ended."""

    seed: int
    text: str = ""
    done: bool = False


class Suggestions:
    """Several continuations of one text, generated one after another from one evaluation of it.

    Each is what ``distil generate`` prints for the text with the suggestion's seed and the same
    maximum of tokens and temperature.

    Attributes:
        text: the text that they continue.
        items: the continuations, including those not started yet.
        error: why there will be no more, or None.
    """

    def __init__(self, text: str, settings: Settings, first_seed: int) -> None:
        """Plan them; each has the next seed."""
        self.text = text
        self.settings = settings
        seeds = (completion_seed(first_seed, i) for i in range(settings.count))
        self.items = [Suggestion(seed) for seed in seeds]
        self.error: Exception | None = None
        self._end = settings.count
        self._times: list[float] = []  # when the first and the newest token came
        self._tokens = 0

    @property
    def next_seed(self) -> int:
        """The seed to continue with for more suggestions."""
        return completion_seed(self.items[-1].seed, 1)

    @property
    def tokens_per_second(self) -> float | None:
        """The speed so far; None before the second token."""
        if self._tokens < 2:
            return None
        return (self._tokens - 1) / (self._times[1] - self._times[0])

    def cancel(self) -> None:
        """Generate no further token."""
        self._end = 0

    def end_after(self, index: int) -> None:
        """Generate no continuation after this one."""
        self._end = index + 1

    def generate(self, generator: "Generator", on_update: Callable[[], object]) -> None:
        """Generate them, calling ``on_update`` from time to time; returns soon after `cancel`.

        Raises:
            DistilError: llama.cpp can't evaluate the text, or computes NaN.
        """
        from ..engine import Request
        from ..engine.evaluate.streaming import last_tokens

        if not self._end:
            return
        options = self.settings.options()
        # One token more than fits, so that the engine cuts the text as it would cut all of it.
        prompt = last_tokens(generator.context.model, self.text, generator.context.size + 1)
        batch = generator.complete_all(
            Request(prompt, item.seed, options=options) for item in self.items
        )
        for index, item in enumerate(self.items):
            if index >= self._end:
                break
            self._extend(index, item, next(batch), on_update)
        batch.interrupt()

    def _extend(
        self,
        index: int,
        item: Suggestion,
        completion: "Completion",
        on_update: Callable[[], object],
    ) -> None:
        updated = 0.0
        for token in completion:
            if index >= self._end:
                return
            now = time.perf_counter()
            item.text += token.text
            self._times[1:] = [now]
            self._tokens += 1
            if now - updated > _REDRAW_SECONDS:
                updated = now
                on_update()
        item.done = True
        on_update()


class Suggester:
    """Generates the newest suggestions in a thread. Use it as a context manager."""

    def __init__(self, generator: "Generator", on_update: Callable[[], object]) -> None:
        """Use the generator, which must have no other user until the end.

        ``on_update`` is called in the thread when there is more to show.
        """
        self._generator = generator
        self._on_update = on_update
        self._thread = ThreadPoolExecutor(1)
        self._newest: Suggestions | None = None

    def start(self, suggestions: Suggestions) -> None:
        """Start to generate these, and cancel earlier ones."""
        self.cancel()
        self._newest = suggestions
        self._thread.submit(self._work, suggestions)

    def cancel(self) -> None:
        """Stop after the current token."""
        if self._newest:
            self._newest.cancel()

    def _work(self, suggestions: Suggestions) -> None:
        try:
            suggestions.generate(self._generator, self._on_update)
        except Exception as error:
            suggestions.error = error
            self._on_update()

    def __enter__(self) -> "Suggester":
        """Return the suggester itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cancel the suggestions in progress and wait for the thread to end."""
        self.cancel()
        self._thread.shutdown()
