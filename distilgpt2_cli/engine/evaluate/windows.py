"""Texts longer than the context window, cut into windows whose tokens are scored."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ...errors import ParameterError


class Window(NamedTuple):
    """Tokens that are evaluated together.

    Attributes:
        tokens: the window.
        scored: how many of the last ones are scored, each given those before it in the window.
        new: how many of the last ones no window before it had.
    """

    tokens: Sequence[int]
    scored: int
    new: int


def sliding(tokens: Iterable[int], size: int, stride: int) -> Iterator[Window]:
    """Yield windows of ``size`` tokens, each ``stride`` tokens after the one before.

    Each window scores the tokens that no window before it had. This is the method that the
    documentation of transformers describes (https://huggingface.co/docs/transformers/perplexity).
    The very first token has nothing before it and is not scored, and neither is the first of any
    window if ``stride`` equals ``size``.

    Raises:
        ParameterError: ``stride`` is not from 1 to ``size``.
    """
    check_stride(stride, size)
    rest = iter(tokens)
    window = list(islice(rest, size))
    new = len(window)
    while new:
        scored = min(new, len(window) - 1)
        if scored:
            yield Window(window, scored, new)
        if len(window) < size:
            return
        following = list(islice(rest, stride))
        window = window[stride:] + following
        new = len(following)


def half(size: int) -> int:
    """Return the stride at which windows of a size overlap by half."""
    return max(size // 2, 1)


def check_stride(stride: int, size: int) -> None:
    """Make sure that windows of a size follow each other without gaps.

    Raises:
        ParameterError: ``stride`` is not from 1 to ``size``.
    """
    if not 0 < stride <= size:
        raise ParameterError("stride", stride, f"a number from 1 to {size}")


def disjoint(tokens: Iterable[int], size: int, start_token: int | None) -> Iterator[Window]:
    """Yield windows without overlap, of which the second half is scored.

    As llama.cpp's own program does it (tools/perplexity/perplexity.cpp): an unfinished last window
    is left out, the first token of each window is replaced by the start token of a model that
    wants one, and the tokens up to and with the one in the middle are not scored.

    Raises:
        ParameterError: ``size`` is so small that nothing is scored.
    """
    if size < 4:
        raise ParameterError("size", size, "a number from 4 on")
    rest = iter(tokens)
    while len(window := list(islice(rest, size))) == size:
        if start_token is not None:
            window[0] = start_token
        yield Window(window, size - size // 2 - 1, size)
