"""What the engine can do on this machine, and how fast it is beside a bare loop over llama.cpp."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from ..errors import UsageError
from .generator import Generator
from .llama.bindings import feature_names, features, lib, start_backend, versions
from .llama.context import Context
from .llama.cores import usable_cores
from .llama.devices import backends, list_devices
from .llama.loading import load
from .llama.placement import AUTO, Offload, Placement
from .options import GenerationOptions
from .records import Request
from .sampling import free, sampling_chain
from .session import open_generator

PROMPT_TOKENS = 64
"""Tokens of the prompt that is evaluated."""

_SHORT_PROMPT = "Once upon a time"
_TEXT = "It was a dark and stormy night; the rain fell in torrents, except at intervals. " * 8


def facts() -> dict[str, Any]:
    """Return versions, backends, devices, used features of the processor, and usable cores."""
    start_backend()
    return {
        "versions": versions(),
        "backends": backends(),
        "devices": [asdict(device) for device in list_devices()],
        "features": feature_names(features()),
        "cores": usable_cores(),
    }


def generate_for(path: str | os.PathLike[str], seconds: float, offload: Offload) -> dict[str, Any]:
    """Generate for so many seconds, and return how fast that was and where.

    Raises:
        DistilError: it can't be done.
    """
    options = GenerationOptions(max_tokens=-1, ignore_eos=True)
    with open_generator(path, options, offload=offload) as generator:
        completion = generator.complete(_SHORT_PROMPT, seed=0)
        start = time.perf_counter()
        for _ in completion:
            if time.perf_counter() - start > seconds:
                break
        passed = time.perf_counter() - start
        context = generator.context
        return {
            "tokens": completion.token_count,
            "seconds": round(passed, 3),
            "tokens_per_second": round(completion.token_count / passed, 1),
            "threads": context.threads,
            "layers": dict(context.placement.layers),
            "device_bytes": dict(context.placement.device_bytes),
            "refusal": context.placement.refusal,
        }


class Speeds(NamedTuple):
    """Tokens per second of one repetition.

    Attributes:
        prompt: evaluating the prompt.
        generation: generating, all sequences together.
        bare_generation: the same number of tokens from ``llama_decode`` and the same samplers,
            with nothing around.
    """

    prompt: float
    generation: float
    bare_generation: float


def measure_speeds(
    path: str | os.PathLike[str],
    *,
    tokens: int,
    threads: int | None = None,
    parallel: int = 1,
    repetitions: int = 5,
    offload: Offload = AUTO,
) -> tuple[list[Speeds], Placement]:
    """Generate ``tokens`` in each of ``parallel`` sequences, in turns with the bare loop.

    The bare loop has as many threads, and all usable cores if ``threads`` is None. One turn of
    each comes first and is not counted. Where the model's layers are is returned too.

    Raises:
        UsageError: the tokens do not fit into the model's window.
        ModelDamagedError: llama.cpp can't load the file.
    """
    options = GenerationOptions(max_tokens=tokens, ignore_eos=True)
    with load(path, offload) as model:
        prompt = model.tokenize(_TEXT)[:PROMPT_TOKENS]
        size = len(prompt) + tokens
        if size > model.window:
            raise UsageError(
                f"{tokens} tokens after a prompt of {len(prompt)} do not fit this model.",
                f"Use at most {model.window - len(prompt)}.",
            )
        with (
            Context(model, size, threads, parallel) as context,
            Context(model, size, threads or usable_cores(), parallel) as bare,
        ):
            turns = []
            for _ in range(repetitions + 1):
                prompt_seconds, seconds = _engine(context, prompt, options)
                bare_seconds = bare_loop(bare, prompt, options)
                turns.append(
                    Speeds(
                        len(prompt) / prompt_seconds,
                        parallel * tokens / seconds,
                        parallel * tokens / bare_seconds,
                    )
                )
            return turns[1:], context.placement


def bare_loop(context: Context, prompt: Sequence[int], options: GenerationOptions) -> float:
    """Generate with nothing around: no text, no record of the tokens, no change of threads.

    Returns:
        Seconds from the first draw to the last one.
    """
    count = context.sequences
    chains = [sampling_chain(context.model, prompt, options, seed) for seed in range(count)]
    context.rewind(0)
    context.evaluate(prompt)
    for sequence in range(1, count):
        context.copy(0, sequence)
    batch = lib.llama_batch_init(count, 0, 1)
    batch.n_tokens = count
    for i in range(count):
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = i
        batch.logits[i] = 1
    decode, sample = lib.llama_decode, lib.llama_sampler_sample
    pointer, rows = context.pointer, range(count)
    start = time.perf_counter()
    for i in rows:
        batch.token[i] = sample(chains[i], pointer, -1)
    for position in range(len(prompt), len(prompt) + options.max_tokens - 1):
        for i in rows:
            batch.pos[i] = position
        decode(pointer, batch)
        for i in rows:
            batch.token[i] = sample(chains[i], pointer, i)
    seconds = time.perf_counter() - start
    lib.llama_batch_free(batch)
    free(*chains)
    return seconds


def _engine(
    context: Context, prompt: Sequence[int], options: GenerationOptions
) -> tuple[float, float]:
    """Return the seconds of the prompt and of the generation."""
    requests = [Request(prompt, seed) for seed in range(context.sequences)]
    start = time.perf_counter()
    prompt_seconds = 0.0
    for completion in Generator(context, options).complete_all(requests):
        prompt_seconds = completion.prompt_seconds
        for _ in completion:
            pass
    return prompt_seconds, time.perf_counter() - start - prompt_seconds
