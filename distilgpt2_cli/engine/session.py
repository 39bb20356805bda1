"""From a file and a prompt to completions, in one step."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .context import Context
from .generation import Generator
from .model import Model
from .options import GenerationOptions


@contextmanager
def open_generator(
    path: str | os.PathLike[str],
    prompt: str,
    options: GenerationOptions,
    threads: int | None = None,
) -> Iterator[Generator]:
    """Load a model for the completions of one prompt, and free it when the block ends.

    The context has room for the prompt and ``options.max_tokens``, and never more than the
    model's window.

    Raises:
        ModelDamagedError: llama.cpp can't load the file.
        DistilError: llama.cpp can't make the context.
    """
    start = time.perf_counter()
    with Model(path) as model:
        tokens = model.tokenize(prompt)
        size = model.window
        if options.max_tokens >= 0:
            size = min(size, max(len(tokens), 1) + options.max_tokens)
        with Context(model, size, threads) as context:
            generator = Generator(context, tokens, options)
            generator.load_seconds = time.perf_counter() - start
            yield generator
