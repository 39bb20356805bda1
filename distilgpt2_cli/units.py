"""Numbers with their units, as people read them."""

_STEPS = (("kB", 1e3, 1e5), ("MB", 1e6, 1e9), ("GB", 1e9, 1e12), ("TB", 1e12, float("inf")))


def format_bytes(count: float) -> str:
    """Return a number of bytes, or of kB, MB, GB or TB (powers of 1,000), as on the Hub."""
    if count < 1e3:
        return f"{count:.0f} bytes"
    unit, size, _ = next(step for step in _STEPS if count < step[2])
    return f"{count / size:.1f} {unit}"
