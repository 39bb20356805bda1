"""Numbers with their units, as people read them."""

_STEPS = (
    ("kB", 1e3, 1e5),
    ("MB", 1e6, 999.95e6),
    ("GB", 1e9, 999.95e9),
    ("TB", 1e12, float("inf")),
)
"""Each unit with its size and the first number of bytes for which it is not used."""


def count_of(number: int, noun: str) -> str:
    """Return a number of things, such as ``1 row`` and ``50,257 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_bytes(count: float) -> str:
    """Return a number of bytes, or of kB, MB, GB or TB (powers of 1,000), as on the Hub."""
    if count < 1e3:
        return f"{count:.0f} bytes"
    unit, size, _ = next(step for step in _STEPS if count < step[2])
    return f"{count / size:.1f} {unit}"
