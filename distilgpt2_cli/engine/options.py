"""How a completion is made: the options, their defaults and their ranges."""

import os
from dataclasses import dataclass
from typing import Literal

from ..errors import ParameterError

MAX_SEED = 2**32 - 2
"""The largest seed; llama.cpp takes the next number to mean a random one."""

Pool = Literal["none", "mean", "last"]
"""What is made of the hidden states of a text's tokens: nothing, their mean, or the last one's."""

_MAX_INT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """The options of a completion; the defaults are those of a transformers pipeline.

    Attributes:
        max_tokens: tokens to generate at most; -1 for no limit.
        temperature: divides the logits; 0 takes the most likely token always.
        top_k: sample from this many most likely tokens only; 0 is off.
        top_p: sample from the most likely tokens that together have this probability; 1 is off.
        min_p: leave out tokens less likely than this part of the most likely one; 0 is off.
        repetition_penalty: divides positive and multiplies negative logits of tokens that the
            context window already holds (Keskar et al. 2019); 1 is off.
        presence_penalty: taken from the logit of every token that the window already holds.
        frequency_penalty: taken from it once for each time that it occurs there.
        stop: texts before which the completion ends.
        ignore_eos: never end at the end-of-text token; it is not sampled at all.
        grammar: what the text follows, in GBNF; it ends where nothing can follow. None for any
            text.
    """

    max_tokens: int = 128
    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    grammar: str | None = None

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ParameterError: a value is out of its range.
            UsageError: the grammar can't be used.
        """
        if self.max_tokens != -1:
            _check("max_tokens", self.max_tokens, 1, _MAX_INT, "-1 for no limit, or ")
        if self.temperature != 0:
            # Below this, logits divided by it overflow what the sampler computes with.
            _check("temperature", self.temperature, 0.001, 1000, "0 for greedy, or ")
        _check("top_k", self.top_k, 0, _MAX_INT)
        _check("top_p", self.top_p, 0, 1)
        _check("min_p", self.min_p, 0, 1)
        _check("repetition_penalty", self.repetition_penalty, 0.01, 100)
        _check("presence_penalty", self.presence_penalty, -100, 100)
        _check("frequency_penalty", self.frequency_penalty, -100, 100)
        if "" in self.stop:
            raise ParameterError("stop", "", "texts of at least one character")
        if self.grammar is not None:
            from .grammar.rules import understand

            understand(self.grammar)


def draw_seed() -> int:
    """Return a seed drawn from the operating system."""
    return int.from_bytes(os.urandom(8), "big") % (MAX_SEED + 1)


def check_seed(seed: int) -> int:
    """Return the seed.

    Raises:
        ParameterError: it is not from 0 to `MAX_SEED`.
    """
    _check("seed", seed, 0, MAX_SEED)
    return seed


def choose_seed(seed: int | None) -> int:
    """Return the seed, or one that is drawn for None.

    Raises:
        ParameterError: it is not from 0 to `MAX_SEED`.
    """
    return draw_seed() if seed is None else check_seed(seed)


def completion_seed(first: int, index: int) -> int:
    """Return the seed of completion ``index``, counted from 0, where the first one has ``first``.

    Seeds count on, and after `MAX_SEED` comes 0.
    """
    return (first + index) % (MAX_SEED + 1)


def _check(name: str, value: float, low: float, high: float, other: str = "") -> None:
    if not low <= value <= high:  # as for NaN
        raise ParameterError(name, value, f"{other}a number from {low} to {high}")
