"""How likely the next token and its alternatives are, before and after the sampler's filters."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import NotANumberError
from .evaluate.probabilities import log_softmax
from .llama.bindings import lib
from .llama.context import Context
from .options import GenerationOptions
from .prompts import fit
from .sampling import Sampler

# llama_token_data in llama.h
TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Candidate(NamedTuple):
    """A token that may come next; its probabilities as natural logarithms.

    Attributes:
        id: the token.
        logprob: in the model's own distribution.
        sampled_logprob: in the one that is drawn from, after penalties, temperature and filters;
            None if they leave the token out.
    """

    id: int
    logprob: float
    sampled_logprob: float | None


class Observation(NamedTuple):
    """What was known when a token was drawn.

    Attributes:
        drawn: the token.
        top: the most likely tokens of the model's own distribution, the likeliest first.
        left: how many tokens could have been drawn.
    """

    drawn: Candidate
    top: list[Candidate]
    left: int


class ObservingSampler(Sampler):
    """A sampler that draws the same tokens, and tells of each how likely it was."""

    def __init__(
        self,
        context: Context,
        prompt: Sequence[int],
        options: GenerationOptions,
        seed: int,
        top: int,
    ) -> None:
        """Tell of so many ``top`` candidates at every draw.

        Raises:
            UsageError: the seed is out of range.
        """
        super().__init__(context, prompt, options, seed)
        size = context.model.vocabulary_size
        self._greedy = options.temperature == 0
        self._top = min(top, size)
        self._ids = np.arange(size, dtype=np.int32)
        self._data = np.zeros(size, TOKEN_DATA)

    def sample(self, row: int) -> int:
        """Return the next token as `Sampler.sample` does, and observe it.

        Raises:
            NotANumberError: the logits are none.
        """
        logits = logits_of(self._context, row, len(self._ids))
        self._data["id"], self._data["logit"], self._data["p"] = self._ids, logits, 0
        left, token = choose(self.pointer, self._data, greedy=self._greedy)
        lib.llama_sampler_accept(self.pointer, token)
        self.observation = observe(logits, left, token, self._top)
        return token


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
        top: how many candidates to tell of.

    Raises:
        NotANumberError: the logits are none.
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
        NotANumberError: the logits are none.
        DistilError: llama.cpp can't evaluate the prompt.
    """
    prompt = fit(prompt or [context.model.start_token], context.size, 1)
    sampler = ObservingSampler(context, prompt, options, 0, top)
    context.rewind(0)
    context.evaluate(prompt)
    sampler.sample(-1)
    sampler.close()
    assert sampler.observation
    return sampler.observation
