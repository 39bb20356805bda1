"""The tokens that samplers choose among, as arrays: llama.cpp's ``llama_token_data_array``."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DistilError
from .bans import Bans
from .llama.bindings import lib
from .llama.context import Context
from .llama.native import NativeContext
from .observation import observe
from .options import GenerationOptions
from .prompts import fit
from .records import Draw, Observation
from .sampling import Sampler, adjuster_and_chooser, free

# llama_token_data in llama.h
TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


def array_sampler(
    context: NativeContext,
    prompt: Sequence[int],
    options: GenerationOptions,
    seed: int,
    top: int | None,
    bans: Bans | None,
) -> Sampler:
    """Return a sampler that draws the same tokens as the plain one, and can do more.

    Args:
        context: whose logits it draws from.
        prompt: what stands before the text.
        options: those of the completion.
        seed: what tokens are drawn with.
        top: how many of the likeliest tokens an observation has; None to observe nothing.
        bans: the tokens that must not come next, if there are any.

    Raises:
        UsageError: the seed is out of range, or the model has no such token.
    """
    adjuster, chooser = adjuster_and_chooser(context.model, prompt, options, seed)
    size = context.model.vocabulary_size
    ids = np.arange(size, dtype=np.int32)
    data = np.zeros(size, TOKEN_DATA)

    def sample(row: int) -> Draw:
        logits = logits_of(context.pointer, row, size)
        data["id"], data["logit"], data["p"] = ids, logits, 0
        apply(adjuster, data)
        if bans:
            data["logit"][bans.tokens()] = -np.inf
            check_any(data)
        left, token = choose(chooser, data, greedy=options.temperature == 0)
        observation = None if top is None else observe(logits, left, token, top)
        lib.llama_sampler_accept(adjuster, token)
        if bans:
            bans.accept(token)
        return Draw(token, observation)

    return Sampler(sample, lambda: free(adjuster, chooser))


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


def check_any(data: NDArray[Any]) -> None:
    """Check that a token is left to choose.

    Raises:
        DistilError: all have the logit -inf.
    """
    if not (data["logit"] > -np.inf).any():
        raise DistilError(
            "No token may come next: the options ban all of them.",
            "Ban fewer texts, or longer n-grams only.",
        )


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
    sampler = array_sampler(context, prompt, options, 0, top, None)
    try:
        context.rewind(0)
        context.evaluate(prompt)
        observation = sampler.sample(-1).observation
    finally:
        sampler.close()
    assert observation
    return observation
