"""The text format of Prometheus (version 0.0.4); nothing here needs HTTP.

See https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from collections.abc import Iterator, Sequence

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def described(name: str, kind: str, meaning: str, samples: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a metric.

    Args:
        name: with its prefix and unit.
        kind: ``counter``, ``gauge`` or ``histogram``.
        meaning: as a sentence.
        samples: its lines.
    """
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    yield from samples


def single(name: str, kind: str, meaning: str, value: float) -> Iterator[str]:
    """Yield the lines of a metric that has one value: a time in seconds if that is a float."""
    number = f"{value:.6f}" if isinstance(value, float) else value
    return described(name, kind, meaning, [f"{name} {number}"])
