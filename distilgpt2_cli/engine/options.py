"""How a completion is made: the options, their defaults and their ranges."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import ParameterError

MAX_SEED = 2**32 - 2
"""The largest seed; llama.cpp takes the next number to mean a random one."""

Pool = Literal["none", "mean", "last"]
"""What is made of the hidden states of a text's tokens: nothing, their mean, or the last one's."""

Overflow = Literal["error", "split", "overlap"]
"""What is done with a text that is longer than the window; see `FeatureExtractor`."""

_MAX_INT = 2**31 - 1

RANGES: Mapping[str, tuple[float, float]] = {
    "top_k": (0, _MAX_INT),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "repetition_penalty": (0.01, 100),
    "presence_penalty": (-100, 100),
    "frequency_penalty": (-100, 100),
    "repeat_last_n": (-1, _MAX_INT),
    "dry_multiplier": (0, 100),
    "dry_base": (1, 100),
    "dry_allowed_length": (0, _MAX_INT),
    "dry_penalty_last_n": (-1, _MAX_INT),
    "no_repeat_ngram_size": (0, _MAX_INT),
    "top_n_sigma": (0, 100),
    "typical_p": (0, 1),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
    "dynatemp_range": (0, 1000),
    "dynatemp_exponent": (0, 100),
    "mirostat": (0, 2),
    "mirostat_tau": (0, 100),
    "mirostat_eta": (0, 10),
    "num_beams": (1, 256),
    "length_penalty": (-100, 100),
}
"""The lowest and the highest value of each option that is just a number."""


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
        repeat_last_n: the newest tokens that the three penalties count; 0 is off, and -1 is the
            whole window.
        dry_multiplier: of the penalty for what would continue a repetition (DRY); 0 is off.
        dry_base: the penalty grows by this factor for each token of the repetition.
        dry_allowed_length: repetitions of up to so many tokens have no penalty.
        dry_penalty_last_n: the newest tokens to look for repetitions in, as in ``repeat_last_n``.
        dry_sequence_breakers: texts that end a repetition.
        no_repeat_ngram_size: no sequence of so many tokens occurs twice; 0 is off.
        logit_bias: tokens with what is added to their logits; None for never.
        ban: texts that never come about, however they are cut into tokens.
        top_n_sigma: leave out tokens whose logit is more than this many standard deviations of all
            logits below the largest (Tang et al. 2024); 0 is off.
        typical_p: sample from the tokens whose information is nearest to the expected one and that
            together have this probability (Meister et al. 2022); 1 is off.
        xtc_probability: how likely it is that the likeliest tokens are left out (XTC); 0 is off.
        xtc_threshold: they are those of at least this probability, but for the last of them.
        dynatemp_range: the temperature goes from ``temperature`` less this to as much more, by the
            entropy of the distribution (Zhang et al. 2024); 0 is off.
        dynatemp_exponent: of the entropy, in that.
        mirostat: 1 or 2 for this version of Mirostat (Basu et al. 2020), which takes the place of
            all filters, top-k among them; 0 is off.
        mirostat_tau: the surprise that it aims at, in bits.
        mirostat_eta: how fast it gets there.
        num_beams: above 1, find the likeliest texts with so many beams, and draw nothing.
        length_penalty: the power of its length by which a beam's log-probability is divided.
        early_stopping: end the search when there are as many ended texts as beams, not when none of
            those under way can become better.
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
    repeat_last_n: int = -1
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = -1
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    no_repeat_ngram_size: int = 0
    logit_bias: tuple[tuple[int, float | None], ...] = ()
    ban: tuple[str, ...] = ()
    top_n_sigma: float = 0.0
    typical_p: float = 1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool = False
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
        for name, (low, high) in RANGES.items():
            _check(name, getattr(self, name), low, high)
        for token, bias in self.logit_bias:
            _check("logit_bias", token, 0, _MAX_INT, "tokens with biases; a token is ")
            if bias is not None:
                _check("logit_bias", bias, -100, 100, "tokens with biases; a bias is ")
        for name in ("stop", "ban", "dry_sequence_breakers"):
            if "" in getattr(self, name):
                raise ParameterError(name, "", "texts of at least one character")
        if self.grammar is not None:
            self._check_grammar(self.grammar)

    def _check_grammar(self, grammar: str) -> None:
        from .grammar.rules import understand

        understand(grammar)
        if self.num_beams > 1:
            raise ParameterError("num_beams", self.num_beams, "1 with a grammar")

    @property
    def draws_likeliest(self) -> int:
        """How many of the likeliest tokens a draw needs to know; 0 for all."""
        if self.temperature == 0:
            return 1
        return 0 if self.mirostat or self.top_n_sigma > 0 else self.top_k

    @property
    def bans(self) -> bool:
        """Whether there are tokens that must not come next, other ones at every place."""
        return bool(self.ban or self.no_repeat_ngram_size)


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


def own_seed(identifier: str) -> int:
    """Return the seed of what has an identifier, wherever it stands: always the same one.

    It is the first 8 bytes of the SHA-256 of the identifier, modulo `MAX_SEED` + 1.
    """
    from hashlib import sha256

    digest = sha256(identifier.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % (MAX_SEED + 1)


def _check(name: str, value: float, low: float, high: float, other: str = "") -> None:
    if not low <= value <= high:  # as for NaN
        raise ParameterError(name, value, f"{other}a number from {low} to {high}")
