"""The choice of the next token, by llama.cpp's own samplers."""

import ctypes
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import ParameterError
from .llama import interrupts
from .llama.bindings import lib
from .llama.context import Context
from .llama.model import Model
from .options import MAX_SEED, GenerationOptions, check_seed
from .records import Draw

_MIROSTAT_TOKENS = 100  # those that version 1 estimates the distribution by, as in llama.cpp


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
    """Return a chain of llama.cpp's samplers; `free` it.

    Their order: what `adjusters` yields, which knows the prompt, then what `choosers` does.

    Raises:
        UsageError: the seed is out of range, or the model has no such token.
    """
    check_seed(seed)
    chain = new_chain(*adjusters(model, options), *choosers(model, options, seed))
    if counts_tokens(options):
        show(chain, prompt)
    return chain


def adjuster_and_chooser(
    model: Model, prompt: Sequence[int], options: GenerationOptions, seed: int
) -> tuple[Any, Any]:
    """Return the same in two chains, for whoever does something between them; `free` both.

    Raises:
        UsageError: the seed is out of range, or the model has no such token.
    """
    check_seed(seed)
    return adjuster(model, prompt, options), new_chain(*choosers(model, options, seed))


def adjuster(model: Model, prompt: Sequence[int], options: GenerationOptions) -> Any:
    """Return a chain of what `adjusters` yields, which knows the prompt; `free` it.

    Raises:
        UsageError: the model has no such token.
    """
    chain = new_chain(*adjusters(model, options))
    if counts_tokens(options):
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
    """Yield what changes single logits: biases, penalties and DRY.

    Raises:
        UsageError: a bias is for a token that the model does not have.
    """
    size = model.vocabulary_size
    biases = dict(options.logit_bias)
    if unknown := [token for token in biases if token >= size]:
        raise ParameterError("logit_bias", unknown[0], f"for tokens from 0 to {size - 1}")
    if options.ignore_eos:
        biases |= dict.fromkeys(model.end_tokens)
    if biases:
        pairs = ((token, -math.inf if bias is None else bias) for token, bias in biases.items())
        array = (lib.llama_logit_bias * len(biases))(*pairs)
        yield lib.llama_sampler_init_logit_bias(size, len(biases), array)
    if _penalizes(options):
        yield lib.llama_sampler_init_penalties(
            size,
            _newest(options.repeat_last_n, model),
            options.repetition_penalty,
            options.frequency_penalty,
            options.presence_penalty,
        )
    if options.dry_multiplier > 0:
        breakers = [text.encode() for text in options.dry_sequence_breakers]
        yield lib.llama_sampler_init_dry(
            model.vocabulary,
            options.dry_multiplier,
            options.dry_base,
            options.dry_allowed_length,
            _newest(options.dry_penalty_last_n, model),
            (ctypes.c_char_p * len(breakers))(*breakers),
            len(breakers),
        )


def choosers(model: Model, options: GenerationOptions, seed: int) -> Iterator[object]:
    """Yield what leaves out unlikely tokens and draws one of the rest.

    The order is that of transformers, with llama.cpp's further filters where they belong:
    top-n-sigma, top-k, temperature, top-p, min-p, typical-p, XTC. Top-k stands before the
    temperature: no order of tokens changes by dividing their logits, and the later steps then see
    few tokens only.
    """
    if options.temperature == 0:
        yield lib.llama_sampler_init_greedy()
    elif options.mirostat:
        yield from _temperature(options)
        tau, eta = options.mirostat_tau, options.mirostat_eta
        if options.mirostat == 1:
            yield lib.llama_sampler_init_mirostat(
                model.vocabulary_size, seed, tau, eta, _MIROSTAT_TOKENS
            )
        else:
            yield lib.llama_sampler_init_mirostat_v2(seed, tau, eta)
    else:
        yield from _filters(options, seed)
        yield lib.llama_sampler_init_dist(seed)


def _filters(options: GenerationOptions, seed: int) -> Iterator[object]:
    if options.top_n_sigma > 0:
        yield lib.llama_sampler_init_top_n_sigma(options.top_n_sigma)
    if options.top_k > 0:
        yield lib.llama_sampler_init_top_k(options.top_k)
    yield from _temperature(options)
    if options.top_p < 1:
        yield lib.llama_sampler_init_top_p(options.top_p, 1)
    if options.min_p > 0:
        yield lib.llama_sampler_init_min_p(options.min_p, 1)
    if options.typical_p < 1:
        yield lib.llama_sampler_init_typical(options.typical_p, 1)
    if options.xtc_probability > 0:
        # With the seed of the draw, both would have the same random number at every token.
        other = (seed + MAX_SEED // 2) % (MAX_SEED + 1)
        yield lib.llama_sampler_init_xtc(options.xtc_probability, options.xtc_threshold, 1, other)


def _temperature(options: GenerationOptions) -> Iterator[object]:
    if options.dynatemp_range > 0:
        yield lib.llama_sampler_init_temp_ext(
            options.temperature, options.dynatemp_range, options.dynatemp_exponent
        )
    elif options.temperature != 1:
        yield lib.llama_sampler_init_temp(options.temperature)


def counts_tokens(options: GenerationOptions) -> bool:
    """Return whether what `adjusters` yields depends on the tokens so far."""
    return _penalizes(options) or options.dry_multiplier > 0


def _penalizes(options: GenerationOptions) -> bool:
    return (
        options.repetition_penalty != 1
        or options.frequency_penalty != 0
        or options.presence_penalty != 0
    )


def _newest(count: int, model: Model) -> int:
    return model.window if count < 0 else count
