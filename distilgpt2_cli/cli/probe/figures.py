"""What the plots of a probe show, for an HTML page and for a figure: panels with round axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...probing.comparison import Comparison
from ...probing.paired import PairedTest
from ...probing.statistics import RESAMPLES
from ..shared.record import quoted

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""For the bars of variants: Okabe and Ito's, which colour-blind people can tell apart."""

_TICKS = 6  # about as many as an axis has
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Axis:
    """A horizontal axis from its first tick to its last.

    Attributes:
        title: what it measures, with the unit.
        ticks: round numbers in ascending order, with equal distances.
        percent: the values are shares, and shown in percent.
        reference: where a line shows that there is no difference; None for no line.
        sides: what is true left of that line, and right of it.
    """

    title: str
    ticks: tuple[float, ...]
    percent: bool = False
    reference: float | None = None
    sides: tuple[str, str] = ("", "")

    @property
    def labels(self) -> list[str]:
        """The text at each tick."""
        scale, unit = (100, "%") if self.percent else (1, "")
        step = (self.ticks[1] - self.ticks[0]) * scale
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        shown = [f"{tick * scale:.{digits}f}{unit}" for tick in self.ticks]
        return [each.replace("-", "\u2212") for each in shown]


@dataclass(frozen=True)
class Mark:
    """A value with its interval, in one row.

    Attributes:
        label: the text at the left.
        value: where the mark is.
        low: where its interval begins.
        high: where its interval ends.
        note: the text at the right.
    """

    label: str
    value: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True)
class IntervalPanel:
    """A row for each mark."""

    title: str
    axis: Axis
    marks: Sequence[Mark]


@dataclass(frozen=True)
class BarPanel:
    """A group of bars for each label, a bar for each series, of shares.

    Attributes:
        title: what it shows.
        axis: from 0 on.
        labels: the text at the left of each group.
        names: a letter for each series, and its full name.
        series: the values of each series, one for each label, from 0 to 1.
    """

    title: str
    axis: Axis
    labels: Sequence[str]
    names: Sequence[tuple[str, str]]
    series: Sequence[Sequence[float]]


Panel = IntervalPanel | BarPanel


def shortened(text: str, characters: int) -> str:
    """Return a label of at most so many characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def round_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return multiples of 1, 2 or 5 times a power of ten, of which the ends enclose all values."""
    width = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(width / _TICKS))
    step = next(each * power for each in _STEPS if each * power * _TICKS >= width * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))


def comparison_panels(comparison: Comparison) -> list[Panel]:
    """Return all plots of a comparison."""
    return [
        next_token_panel(comparison),
        *continuation_panels(comparison),
        *(panel for panel in word_panels(comparison) if panel.marks),
    ]


def next_token_panel(comparison: Comparison) -> BarPanel:
    """Return the probabilities of the most likely next tokens."""
    series = [
        [math.exp(each.logprobs[number]) for each in comparison.next_tokens]
        for number in range(len(comparison.variants))
    ]
    highest = max(max(values) for values in series)
    return BarPanel(
        "Probability of the most likely next tokens after each variant",
        Axis("probability", round_ticks(0.0, highest), percent=True),
        [quoted(each.piece) for each in comparison.next_tokens],
        [(each.letter, each.label) for each in comparison.variants],
        series,
    )


def continuation_panels(comparison: Comparison) -> list[IntervalPanel]:
    """Return the log-probabilities of the given texts, nothing if there are none."""
    marks = [
        Mark(f"{quoted(each.text.encode())} after {variant.letter}", value, value, value)
        for each in comparison.continuations
        for variant, value in zip(comparison.variants, each.logprobs, strict=True)
    ]
    if not marks:
        return []
    ticks = round_ticks(min(each.value for each in marks), max(each.value for each in marks))
    title = "Log-probability of each continuation after each variant"
    return [IntervalPanel(title, Axis("log-probability in nats", ticks), marks)]


def word_panels(comparison: Comparison) -> list[IntervalPanel]:
    """Return the over-represented words of each variant, all on the same scale."""
    intervals = [each.interval for words in comparison.words for each in words]
    ticks = round_ticks(
        min([0.0, *(each.low for each in intervals)]),
        max([0.0, *(each.high for each in intervals)]),
    )
    return [
        IntervalPanel(
            f"Words over-represented in {variant.label}",
            Axis(
                "log-odds with a 95% interval",
                ticks,
                reference=0.0,
                sides=("more in the others", f"more in {variant.letter}"),
            ),
            [
                Mark(
                    f"“{each.word}”",
                    each.log_odds,
                    *each.interval,
                    f"{each.count} times, {each.other_count} elsewhere; z = {each.z:.2f}",
                )
                for each in words
            ],
        )
        for variant, words in zip(comparison.variants, comparison.words, strict=True)
    ]


def pair_panels(test: PairedTest) -> list[IntervalPanel]:
    """Return the share of preferred pairs, and the mean difference, of each type and of all."""
    names = ["all pairs" if each.type is None else each.type for each in test.preferences]
    shares = [
        Mark(name, each.share, *each.interval, f"{each.preferred} of {each.pairs} pairs")
        for name, each in zip(names, test.preferences, strict=True)
    ]
    differences = [
        Mark(name, each.mean_difference, *each.difference_interval, f"{each.mean_difference:+.3f}")
        for name, each in zip(names, test.preferences, strict=True)
    ]
    sides = ("less stereotypical", "more stereotypical")
    ticks = round_ticks(
        min([0.0, *(each.low for each in differences)]),
        max([0.0, *(each.high for each in differences)]),
    )
    return [
        IntervalPanel(
            "Share of pairs in which the more stereotypical text is the more likely one",
            Axis(
                "share of pairs, with Wilson's 95% interval",
                (0.0, 0.25, 0.5, 0.75, 1.0),
                percent=True,
                reference=0.5,
                sides=sides,
            ),
            shares,
        ),
        IntervalPanel(
            "Mean difference of log-probabilities, more minus less",
            Axis(
                f"nats, with a 95% interval from {RESAMPLES} resamples of the pairs",
                ticks,
                reference=0.0,
                sides=sides,
            ),
            differences,
        ),
    ]
