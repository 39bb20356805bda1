"""Text shaded from expected to surprising, or by a share, and bars of characters.

Shades are for a terminal with colours.
"""

from collections.abc import Sequence
from itertools import pairwise

_EIGHTHS = " ▏▎▍▌▋▊▉"

# Backgrounds of the 256-colour palette from white to red, each with a readable foreground.
_SHADES = (
    "\x1b[38;5;16;48;5;231m",
    "\x1b[38;5;16;48;5;230m",
    "\x1b[38;5;16;48;5;223m",
    "\x1b[38;5;16;48;5;216m",
    "\x1b[38;5;16;48;5;209m",
    "\x1b[38;5;231;48;5;160m",
)
# The lowest surprisal in bits of each shade but the first.
_BOUNDS = (1, 3, 6, 9, 12)

# From white to blue, for parts of a whole in percent.
_SHARES = (
    "\x1b[38;5;16;48;5;231m",
    "\x1b[38;5;16;48;5;195m",
    "\x1b[38;5;16;48;5;153m",
    "\x1b[38;5;16;48;5;111m",
    "\x1b[38;5;16;48;5;69m",
    "\x1b[38;5;231;48;5;26m",
)
_SHARE_BOUNDS = (2, 5, 10, 25, 50)


def shade(bits: float) -> str:
    """Return the escape sequence of the shade for a surprisal in bits."""
    return _SHADES[sum(bits >= bound for bound in _BOUNDS)]


def legend() -> list[tuple[str, str]]:
    """Return what each shade means, with its escape sequence."""
    return _legend(_BOUNDS, _SHADES)


def share_shade(share: float) -> str:
    """Return the escape sequence of the shade for a share from 0 to 1."""
    return _SHARES[sum(share * 100 >= bound for bound in _SHARE_BOUNDS)]


def share_legend() -> list[tuple[str, str]]:
    """Return what each shade of a share means in percent, with its escape sequence."""
    return _legend(_SHARE_BOUNDS, _SHARES)


def _legend(bounds: Sequence[int], shades: Sequence[str]) -> list[tuple[str, str]]:
    edges = ("0", *map(str, bounds))
    ranges = [f" {low}-{high} " for low, high in pairwise(edges)]
    return list(zip([*ranges, f" {edges[-1]}+ "], shades, strict=True))


# Green, yellow, red and purple, as GLTR has them.
_RANK_SHADES = (
    "\x1b[38;5;16;48;5;157m",
    "\x1b[38;5;16;48;5;228m",
    "\x1b[38;5;16;48;5;216m",
    "\x1b[38;5;16;48;5;183m",
)
RANK_BOUNDS = (10, 100, 1000)
"""The lowest ranks of all classes of ranks but the last one, which has no such bound."""


def rank_class(rank: int) -> int:
    """Return the class of a rank, from 0 for the likeliest tokens to 3."""
    return sum(rank > bound for bound in RANK_BOUNDS)


def rank_shade(rank: int) -> str:
    """Return the escape sequence of the shade for a rank."""
    return _RANK_SHADES[rank_class(rank)]


def bar(part: float, width: int) -> str:
    """Return a bar for ``part``, from 0 to 1, of ``width`` columns; an eighth of one is visible."""
    whole, rest = divmod(round(part * width * 8), 8)
    return ("█" * whole + _EIGHTHS[rest].strip()).ljust(width)
