"""How likely the next token and its alternatives are, before and after the sampler's filters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NotANumberError
from .evaluate.probabilities import log_softmax
from .records import Candidate, Observation


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
