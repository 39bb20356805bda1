"""Completions made again: several models and settings, each model loaded once."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType

from .completion import Completion
from .generator import Generator
from .llama.adapters import AdaptedFile
from .llama.context import Context
from .llama.loading import load
from .llama.model import Model
from .llama.placement import AUTO, Offload, Placement
from .options import GenerationOptions
from .records import Request, Token
from .text import TextStream


class OpenModels:
    """Models that have been used, and for each a context; a context manager that frees them."""

    def __init__(
        self,
        threads: int | None = None,
        offload: Offload = AUTO,
        loaded: Callable[[Placement], object] = lambda _placement: None,
    ) -> None:
        """Load nothing yet; ``loaded`` is called after each model is."""
        self._threads = threads
        self._offload = offload
        self._loaded = loaded
        self._models: dict[AdaptedFile, Model] = {}
        self._contexts: dict[tuple[AdaptedFile, int, bool], Context] = {}
        self._stack = ExitStack()

    def generator(
        self,
        path: str | os.PathLike[str],
        options: GenerationOptions,
        parallel: int,
        alternatives: int | None,
        *,
        flash_attention: bool,
    ) -> Generator:
        """Return a generator of its own options; the one before it must be done with.

        Its context has room for the model's window: the size changes no logits.

        Raises:
            ModelDamagedError: llama.cpp can't load the file.
            UsageError: ``parallel`` is out of range, or the model can't obey the grammar.
            DistilError: llama.cpp can't make the context.
        """
        file = AdaptedFile.of(path)
        if file not in self._models:
            self._models[file] = self._stack.enter_context(load(file, self._offload))
            self._loaded(self._models[file].placement)
        sequences = max(parallel, options.num_beams)
        key = file, sequences, flash_attention
        if key not in self._contexts:
            context = Context(
                self._models[file], None, self._threads, sequences, flash_attention=flash_attention
            )
            self._contexts[key] = self._stack.enter_context(context)
        return Generator(self._contexts[key], options, alternatives)

    def __enter__(self) -> "OpenModels":
        """Return the object itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Free all contexts and models."""
        self._stack.close()


def complete_again(
    generator: Generator, requests: Sequence[Request], limits: Sequence[int | None]
) -> Iterator[tuple[Completion, list[Token]]]:
    """Yield the completions of requests with their tokens.

    Args:
        generator: what completes them, as many at once as it did then.
        requests: in their order then.
        limits: for each, after how many tokens to stop, or None for where its options end it.
    """
    for completion, limit in zip(generator.complete_all(requests), limits, strict=True):
        tokens: list[Token] = []
        while limit is None or len(tokens) < limit:
            token = next(completion, None)
            if token is None:
                break
            tokens.append(token)
        yield completion, tokens


def interrupted_text(generator: Generator, stop: Sequence[str], tokens: Sequence[Token]) -> str:
    """Return the text that an interruption after these tokens leaves, with these stop texts."""
    model, stream = generator.context.model, TextStream(stop)
    pieces = (b"" if model.ends_text(token.id) else model.piece(token.id) for token in tokens)
    return "".join(map(stream.feed, pieces)) + stream.finish()
