"""The choice of the next token, by llama.cpp's own samplers."""

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .llama import interrupts
from .llama.bindings import lib
from .llama.context import Context
from .llama.model import Model
from .options import GenerationOptions, check_seed
from .records import Draw


class Sampler(NamedTuple):
    """What draws the tokens of one completion.

    Attributes:
        sample: draws the next token from a row of the context's logits; -1 is the newest.
        close: frees what llama.cpp holds for it; to be called once.
    """

    sample: Callable[[int], Draw]
    close: Callable[[], None]


def plain_sampler(
    context: Context,
    prompt: Sequence[int],
    options: GenerationOptions,
    seed: int,
    shared: "SharedChain | None" = None,
) -> Sampler:
    """Return a sampler that draws tokens and finds out no more about them.

    Args:
        context: whose logits it draws from.
        prompt: what stands before the text.
        options: those of the completion.
        seed: what tokens are drawn with.
        shared: what several completions draw with in turns.

    Raises:
        UsageError: the seed is out of range.
    """
    chain = sampling_chain(context.model, prompt, options, seed)
    if shared:
        samplers = _taken_out_of(chain)
        return Sampler(
            lambda row: Draw(shared.draw(samplers, context.pointer, row)),
            lambda: free(chain, *samplers),
        )
    draw, pointer = lib.llama_sampler_sample, context.pointer
    return Sampler(lambda row: Draw(draw(chain, pointer, row)), lambda: free(chain))


class SharedChain:
    """A chain that gets the samplers of one completion after another for a draw.

    A chain keeps an array of the whole vocabulary, 603 kB for GPT-2. Those of many completions
    would push the weights of the model out of the processor's cache at every step.
    """

    def __init__(self) -> None:
        """Make an empty chain, which is freed with this object."""
        self._chain = new_chain()
        weakref.finalize(self, free, self._chain)

    def draw(self, samplers: Sequence[object], context: object, row: int) -> int:
        """Draw a token from a row of a context's logits with these samplers."""
        with interrupts.held_back:  # what stayed in the chain would be freed twice
            for sampler in samplers:
                lib.llama_sampler_chain_add(self._chain, sampler)
            token: int = lib.llama_sampler_sample(self._chain, context, row)
            for _ in samplers:
                lib.llama_sampler_chain_remove(self._chain, 0)
        return token


def _taken_out_of(chain: object) -> list[object]:
    """Take all samplers out of a chain, which no longer owns them."""
    count = lib.llama_sampler_chain_n(chain)
    return [lib.llama_sampler_chain_remove(chain, 0) for _ in range(count)]


def sampling_chain(
    model: Model, prompt: Sequence[int], options: GenerationOptions, seed: int
) -> Any:
    """Return a chain of llama.cpp's samplers, in the order of transformers; `free` it.

    End-of-text bias, penalties, which count the prompt, temperature, top-k, top-p, min-p, then a
    draw with the seed. Top-k stands before the temperature here: no order of tokens changes by
    dividing their logits, and the later steps then see few tokens only.

    Raises:
        UsageError: the seed is out of range.
    """
    check_seed(seed)
    chain = new_chain(*adjusters(model, options), *choosers(options, seed))
    if _penalizes(options):
        show(chain, prompt)
    return chain


def new_chain(*samplers: object) -> Any:
    """Return samplers as one, which owns them."""
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    for sampler in samplers:
        lib.llama_sampler_chain_add(chain, sampler)
    return chain


def free(*samplers: object) -> None:
    """Free samplers and what they own."""
    for sampler in samplers:
        lib.llama_sampler_free(sampler)


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
