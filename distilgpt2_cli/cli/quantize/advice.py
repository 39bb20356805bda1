"""Which of several files to use, in sentences that follow from their figures."""

from collections.abc import Sequence

from ...units import format_bytes
from .result import Compared


def advice(found: Sequence[Compared]) -> list[str]:
    """Return what the figures say: the smallest file without a visible loss, and the fastest.

    A loss is visible as `ReferenceComparison.can_be_told_apart` says. If all files have one, the
    nearest is named: the one with the lowest divergence. A file is among the fastest if one of its
    measurements reaches the highest median; the smallest of these is named.

    Args:
        found: the model, and the files made of it, which were compared with it.
    """
    original, *made = found
    return [_on_quality(original, made), *_on_speed(original, made)]


def _on_quality(original: Compared, made: Sequence[Compared]) -> str:
    name = original.result.file.name
    equal = [each for each in made if not _is_visible(each)]
    if equal:
        best = min(equal, key=lambda each: each.result.file.size)
        return (
            f"{_shown(best)} is the smallest file without a visible loss: on this text, its"
            f" perplexity and divergence can't be told from those of {name}."
        )
    best = min(made, key=_divergence)
    comparison = best.result.figures.comparison
    ratio = f"{comparison.ratio.value - 1:+.2%}" if comparison else "-"
    return (
        f"Every file has a visible loss on this text. {_shown(best)} is the nearest to {name}: its"
        f" perplexity differs by {ratio}."
    )


def _on_speed(original: Compared, made: Sequence[Compared]) -> list[str]:
    base = original.speed
    measured = [(each, each.speed) for each in (original, *made) if each.speed]
    if base is None:
        return []
    best = max(speed.median for _, speed in measured)
    fastest = [(each, speed) for each, speed in measured if speed.high >= best]
    name = original.result.file.name
    if base.high >= best:
        return [f"No file is certainly faster than {name} on this machine."]
    smallest, found = min(fastest, key=lambda pair: pair[0].result.file.size)
    speed = found.median
    others = " within the spread of the measurements" if len(fastest) > 1 else ""
    return [
        f"{_shown(smallest)} is the fastest on this machine{others}: {speed:.0f} tokens/s,"
        f" {speed / base.median:.2f} times as fast as {name}."
    ]


def _is_visible(each: Compared) -> bool:
    comparison = each.result.figures.comparison
    return comparison is None or comparison.can_be_told_apart


def _divergence(each: Compared) -> float:
    comparison = each.result.figures.comparison
    return float("inf") if comparison is None else comparison.mean_divergence


def _shown(each: Compared) -> str:
    return f"{each.result.file.name} ({format_bytes(each.result.file.size)})"
