"""How likely the next token and its alternatives are, before and after the sampler's filters."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NotANumberError
from .evaluate.probabilities import log_softmax
from .llama.bindings import lib
from .llama.context import Context
from .options import GenerationOptions
from .prompts import fit
from .records import Candidate, Draw, Observation
from .sampling import Sampler, free, sampling_chain

# llama_token_data in llama.h
TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


def observing_sampler(
    context: Context, prompt: Sequence[int], options: GenerationOptions, seed: int, top: int
) -> Sampler:
    """Return a sampler that draws the same tokens as the plain one, and observes each of them.

    Args:
        context: whose logits it draws from.
        prompt: what stands before the text.
        options: those of the completion.
        seed: what tokens are drawn with.
        top: how many of the likeliest tokens an observation has.

    Raises:
        UsageError: the seed is out of range.
    """
    chain = sampling_chain(context.model, prompt, options, seed)
    size = context.model.vocabulary_size
    ids = np.arange(size, dtype=np.int32)
    data = np.zeros(size, TOKEN_DATA)

    def sample(row: int) -> Draw:
        logits = logits_of(context.pointer, row, size)
        data["id"], data["logit"], data["p"] = ids, logits, 0
        left, token = choose(chain, data, greedy=options.temperature == 0)
        lib.llama_sampler_accept(chain, token)
        return Draw(token, observe(logits, left, token, top))

    return Sampler(sample, lambda: free(chain))


def logits_of(context: object, row: int, size: int) -> NDArray[np.float32]:
    """Return a row of a context's logits, in the context's own memory."""
    return np.ctypeslib.as_array(lib.llama_get_logits_ith(context, row), (size,))


def apply(sampler: object, data: NDArray[Any]) -> Any:
    """Let a sampler work on tokens; return its ``llama_token_data_array``."""
    pointer = ctypes.cast(data.ctypes.data, ctypes.POINTER(lib.llama_token_data))
    array = lib.llama_token_data_array(pointer, len(data), -1, False)
    lib.llama_sampler_apply(sampler, ctypes.byref(array))
    return array


def choose(sampler: object, data: NDArray[Any], *, greedy: bool) -> tuple[NDArray[Any], int]:
    """Let a sampler choose among tokens; return what it left of them, and its choice.

    What it left is in its memory, and valid until its next use.
    """
    array = apply(sampler, data)
    token = int(array.data[array.selected].id)
    if greedy:
        return np.array([(token, 0, 1)], TOKEN_DATA), token
    # The sampler may have put an array of its own in place of ours.
    address = ctypes.cast(array.data, ctypes.POINTER(ctypes.c_uint8))
    size = array.size * TOKEN_DATA.itemsize
    return np.ctypeslib.as_array(address, (size,)).view(TOKEN_DATA), token


def observe(row: NDArray[np.float32], left: NDArray[Any], token: int, top: int) -> Observation:
    """Return how likely a token was, and so many likeliest ones.

    Args:
        row: the model's own logits.
        left: the tokens among which it was drawn, with their logits then.
        token: the one that was drawn.
        top: how many of the likeliest tokens the observation has.

    Raises:
        NotANumberError: the logits are NaN.
    """
    logits = row.astype(np.float64)
    logprobs = log_softmax(logits)
    if np.isnan(logprobs).any():
        raise NotANumberError
    sampled = np.full(len(logits), -np.inf)
    sampled[left["id"]] = log_softmax(left["logit"].astype(np.float64))

    def candidate(token: int) -> Candidate:
        after = float(sampled[token])
        return Candidate(token, float(logprobs[token]), after if after > -np.inf else None)

    # Of two that are equally likely, the one with the lower number comes first.
    order = np.argsort(-logprobs, kind="stable")[:top]
    possible = int(np.count_nonzero(sampled > -np.inf))
    return Observation(candidate(token), [candidate(int(each)) for each in order], possible)


def observe_next(
    context: Context, prompt: Sequence[int], options: GenerationOptions, top: int
) -> Observation:
    """Evaluate a prompt as a generation does, and observe what may come after it.

    The token that is drawn means nothing here. A prompt larger than the context keeps its end.

    Raises:
        NotANumberError: the logits are NaN.
        DistilError: llama.cpp can't evaluate the prompt.
    """
    prompt = fit(prompt or [context.model.start_token], context.size, 1)
    sampler = observing_sampler(context, prompt, options, 0, top)
    try:
        context.rewind(0)
        context.evaluate(prompt)
        observation = sampler.sample(-1).observation
    finally:
        sampler.close()
    assert observation
    return observation
