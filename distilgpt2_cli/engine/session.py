"""From a file to completions, in one step."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .generator import Generator
from .llama.context import Context
from .llama.loading import load, load_ahead
from .llama.micro_batches import PHYSICAL_BATCH
from .llama.model import Model
from .llama.placement import AUTO, Offload
from .options import GenerationOptions

if TYPE_CHECKING:
    from .evaluate.evaluator import Evaluator


_PROGRAM_BYTES = 2**26  # Python, NumPy and llama.cpp
_MOST_ROWS = 1024  # those of an Evaluator


@dataclass(frozen=True)
class Needs:
    """What each process that computes with a model needs.

    Attributes:
        device: whether it computes on a device, which processes would only wait for.
        memory: bytes, about.
    """

    device: bool
    memory: int


def generator_needs(path: str | os.PathLike[str], offload: Offload, parallel: int) -> Needs:
    """Return what a process needs for `open_generator` without a known prompt.

    The model is loaded for that; see `load_ahead`, also for what is raised.
    """
    model = load_ahead(path, offload)
    return _needs(model, parallel * model.window, parallel)


def evaluator_needs(path: str | os.PathLike[str], offload: Offload) -> Needs:
    """Return what a process needs for `open_evaluator`; as `generator_needs`."""
    model = load_ahead(path, offload)
    return _needs(model, model.window, min(model.window, _MOST_ROWS))


def _needs(model: Model, tokens: int, rows: int) -> Needs:
    """Return needs for a context of so many tokens, of which so many have logits at once."""
    cache = 2 * tokens * model.layers * model.width * 2  # keys and values of two bytes each
    logits = (rows + PHYSICAL_BATCH) * model.vocabulary_size * 4
    files = (model.path, *(adapter.path for adapter in model.adapters))
    # llama.cpp copies those that it orders differently; others are mapped.
    weights = sum(Path(file).stat().st_size for file in files)
    return Needs(model.placement.is_on_device, _PROGRAM_BYTES + weights + cache + logits)


@contextmanager
def open_generator(
    path: str | os.PathLike[str],
    options: GenerationOptions,
    *,
    prompt: str | None = None,
    threads: int | None = None,
    parallel: int = 1,
    alternatives: int | None = None,
    flash_attention: bool = False,
    offload: Offload = AUTO,
) -> Iterator[Generator]:
    """Load a model for completions, and free it when the block ends.

    Args:
        path: a GGUF file.
        options: those of every completion.
        prompt: the only text that will be completed, if that is known: the context then has room
            for it and ``options.max_tokens``, and otherwise for the model's window.
        threads: by default found out while generating.
        parallel: completions under way at once, see `Generator.complete_all`.
        alternatives: observe each token with so many candidates, see `Generator`.
        flash_attention: use it for one completion at a time too, see `Context`.
        offload: where the model's layers are wanted.

    Raises:
        NoDeviceError: ``offload`` asks for a device that isn't there.
        DeviceMemoryError: the devices have no room for what is wanted there.
        ModelDamagedError: llama.cpp can't load the file.
        UsageError: ``parallel`` is out of range.
        DistilError: llama.cpp can't make the context.
    """
    start = time.perf_counter()
    with (
        load(path, offload) as model,
        generator_of(
            model,
            options,
            prompt=prompt,
            threads=threads,
            parallel=parallel,
            alternatives=alternatives,
            flash_attention=flash_attention,
        ) as generator,
    ):
        generator.load_seconds = time.perf_counter() - start
        yield generator


@contextmanager
def generator_of(
    model: Model,
    options: GenerationOptions,
    *,
    prompt: str | None = None,
    threads: int | None = None,
    parallel: int = 1,
    alternatives: int | None = None,
    flash_attention: bool = False,
) -> Iterator[Generator]:
    """Make a context of a loaded model for completions, and free it when the block ends.

    The arguments are those of `open_generator`, and so is what is raised.
    """
    size = model.window
    if prompt is not None and options.max_tokens >= 0:
        size = min(size, max(len(model.tokenize(prompt)), 1) + options.max_tokens)
    sequences = max(parallel, options.num_beams)
    with Context(model, size, threads, sequences, flash_attention=flash_attention) as context:
        yield Generator(context, options, alternatives)


@contextmanager
def open_evaluator(
    path: str | os.PathLike[str],
    *,
    size: int | None = None,
    threads: int | None = None,
    sequences: int = 1,
    hidden_states: bool = False,
    layer: int | None = None,
    offload: Offload = AUTO,
) -> Iterator["Evaluator"]:
    """Load a model for the evaluation of whole texts, and free it when the block ends.

    Args:
        path: a GGUF file.
        size: the tokens that a text may have, by default the model's window.
        threads: by default as many as there are cores.
        sequences: the texts that may be evaluated at once.
        hidden_states: give hidden states, and no logits.
        layer: whose hidden states, from 0 for the embeddings; by default those of the last one,
            after the final layer norm.
        offload: where the model's layers are wanted.

    Raises:
        NoDeviceError: ``offload`` asks for a device that isn't there.
        DeviceMemoryError: the devices have no room for what is wanted there.
        ModelDamagedError: llama.cpp can't load the file.
        UsageError: ``size``, ``sequences`` or ``layer`` is out of range.
        DistilError: llama.cpp can't make the context.
    """
    start = time.perf_counter()
    from .evaluate.evaluator import Evaluator  # it needs NumPy, which takes long to import

    with load(path, offload) as model, ExitStack() as stack:
        if layer is None or layer == model.layers:
            evaluator = Evaluator(model, size, threads, sequences, hidden_states=hidden_states)
        else:
            from .evaluate.layers import LayerEvaluator

            evaluator = LayerEvaluator(model, layer, size, threads, sequences)
        stack.enter_context(evaluator)
        evaluator.load_seconds = time.perf_counter() - start
        yield evaluator
