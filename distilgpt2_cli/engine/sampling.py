"""The choice of the next token, by llama.cpp's own samplers."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .bindings import lib
from .context import Context
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
        self.pointer = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        model = context.model
        if options.ignore_eos:
            ends = model.end_tokens
            biases = (lib.llama_logit_bias * len(ends))(*((token, -math.inf) for token in ends))
            self._add(lib.llama_sampler_init_logit_bias(model.vocabulary_size, len(ends), biases))
        if _penalizes(options):
            self._add(
                lib.llama_sampler_init_penalties(
                    model.vocabulary_size,
                    context.model.window,
                    options.repetition_penalty,
                    options.frequency_penalty,
                    options.presence_penalty,
                )
            )
        if options.temperature == 0:
            self._add(lib.llama_sampler_init_greedy())
        else:
            self._add_draw(options, seed)
        if _penalizes(options):
            for token in prompt:
                lib.llama_sampler_accept(self.pointer, token)

    def sample(self, row: int) -> int:
        """Return the next token, drawn from a row of the context's logits; -1 is the newest."""
        token: int = lib.llama_sampler_sample(self.pointer, self._context, row)
        return token

    def close(self) -> None:
        """Free the chain."""
        if self.pointer:
            lib.llama_sampler_free(self.pointer)
            self.pointer = None

    def _add_draw(self, options: GenerationOptions, seed: int) -> None:
        if options.top_k > 0:
            self._add(lib.llama_sampler_init_top_k(options.top_k))
        if options.temperature != 1:
            self._add(lib.llama_sampler_init_temp(options.temperature))
        if options.top_p < 1:
            self._add(lib.llama_sampler_init_top_p(options.top_p, 1))
        if options.min_p > 0:
            self._add(lib.llama_sampler_init_min_p(options.min_p, 1))
        self._add(lib.llama_sampler_init_dist(seed))

    def _add(self, sampler: object) -> None:
        lib.llama_sampler_chain_add(self.pointer, sampler)


def _penalizes(options: GenerationOptions) -> bool:
    return (
        options.repetition_penalty != 1
        or options.frequency_penalty != 0
        or options.presence_penalty != 0
    )
