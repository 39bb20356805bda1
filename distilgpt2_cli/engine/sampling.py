"""The choice of the next token, by llama.cpp's own samplers."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .llama.bindings import lib
from .llama.context import Context
from .llama.model import Model
from .options import GenerationOptions, check_seed

if TYPE_CHECKING:
    from .observation import Observation


class Sampler:
    """A chain of llama.cpp's samplers, in the order of transformers.

    End-of-text bias, penalties, temperature, top-k, top-p, min-p, then a draw with the seed.
    Top-k stands before the temperature here: no order of tokens changes by dividing their logits,
    and the later steps then see few tokens only.

    Attributes:
        observation: what is known of the last draw, where a subclass finds it out.
        complete: whether the text may end here, which only a grammar can forbid.
        finished: whether it must, because nothing may follow.
    """

    def __init__(
        self, context: Context, prompt: Sequence[int], options: GenerationOptions, seed: int
    ) -> None:
        """Build the chain and let its penalties see the prompt.

        Raises:
            UsageError: the seed is out of range.
        """
        check_seed(seed)
        self._context = context.pointer
        self.observation: Observation | None = None
        self.complete, self.finished = True, False
        self.pointer = chain(*adjusters(context.model, options), *choosers(options, seed))
        if _penalizes(options):
            show(self.pointer, prompt)

    def sample(self, row: int) -> int:
        """Return the next token, drawn from a row of the context's logits; -1 is the newest."""
        token: int = lib.llama_sampler_sample(self.pointer, self._context, row)
        return token

    def close(self) -> None:
        """Free the chain."""
        if self.pointer:
            lib.llama_sampler_free(self.pointer)
            self.pointer = None


def chain(*samplers: object) -> Any:
    """Return samplers as one, which owns them."""
    pointer = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    for sampler in samplers:
        lib.llama_sampler_chain_add(pointer, sampler)
    return pointer


def show(sampler: object, tokens: Sequence[int]) -> None:
    """Let a sampler see tokens that it did not draw."""
    for token in tokens:
        lib.llama_sampler_accept(sampler, token)


def adjusters(model: Model, options: GenerationOptions) -> Iterator[object]:
    """Yield what changes single logits: the end-of-text bias and the penalties."""
    if options.ignore_eos:
        ends = model.end_tokens
        biases = (lib.llama_logit_bias * len(ends))(*((token, -math.inf) for token in ends))
        yield lib.llama_sampler_init_logit_bias(model.vocabulary_size, len(ends), biases)
    if _penalizes(options):
        yield lib.llama_sampler_init_penalties(
            model.vocabulary_size,
            model.window,
            options.repetition_penalty,
            options.frequency_penalty,
            options.presence_penalty,
        )


def choosers(options: GenerationOptions, seed: int) -> Iterator[object]:
    """Yield what leaves out unlikely tokens and draws one of the rest."""
    if options.temperature == 0:
        yield lib.llama_sampler_init_greedy()
        return
    if options.top_k > 0:
        yield lib.llama_sampler_init_top_k(options.top_k)
    if options.temperature != 1:
        yield lib.llama_sampler_init_temp(options.temperature)
    if options.top_p < 1:
        yield lib.llama_sampler_init_top_p(options.top_p, 1)
    if options.min_p > 0:
        yield lib.llama_sampler_init_min_p(options.min_p, 1)
    yield lib.llama_sampler_init_dist(seed)


def _penalizes(options: GenerationOptions) -> bool:
    return (
        options.repetition_penalty != 1
        or options.frequency_penalty != 0
        or options.presence_penalty != 0
    )
