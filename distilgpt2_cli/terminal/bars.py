"""Bars made of characters, an eighth of a column fine."""

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(part: float, width: int) -> str:
    """Return a bar as long as ``part``, from 0 to 1, of ``width`` columns."""
    whole, rest = divmod(round(part * width * 8), 8)
    return ("█" * whole + _EIGHTHS[rest].strip()).ljust(width)
