"""What a benchmark found, beside what it should find."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

Turn = Mapping[str, float]


@dataclass(frozen=True)
class Finding:
    """One figure of a group, as the median of several turns.

    Attributes:
        group: the number of the group.
        what: what the figure is, in words.
        file: the model file's quantization or name.
        value: the figure, a ratio unless ``what`` says otherwise.
        bar: what it should reach; None for a figure that is only reported.
        at_least: whether the bar is the least that will do, or the most.
        spread: the smallest and largest of the turns.
        medians: what the figure was made of, and other figures of the same turns.
    """

    group: int
    what: str
    file: str
    value: float
    bar: float | None = None
    at_least: bool = True
    spread: tuple[float, float] | None = None
    medians: Mapping[str, float] = field(default_factory=dict)

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached, if there is one."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self) | {"reached": self.reached})

    def to_row(self) -> str:
        """Return a row of the Markdown table whose header is `HEADER`."""
        bar = "" if self.bar is None else f"{'≥' if self.at_least else '≤'} {self.bar:g}"
        reached = {None: "", True: "yes", False: "**no**"}[self.reached]
        value = f"{self.value:.3g}" if self.value >= 100 else f"{self.value:.3f}"
        if self.spread:
            value += f" ({self.spread[0]:.3f}-{self.spread[1]:.3f})"
        made_of = ", ".join(f"{name} {median:g}" for name, median in self.medians.items())
        cells = (str(self.group), self.what, self.file, value, bar, reached, made_of)
        return f"| {' | '.join(cells)} |"


HEADER = "| | ratio | file | value | bar | reached | medians |\n|---|---|---|---|---|---|---|"


def in_turns(ways: Mapping[str, Callable[[], float]], count: int) -> list[Turn]:
    """Measure every way once a turn, in the opposite order every other turn.

    Each way then has as many runs before another one as after it.
    """
    turns: list[Turn] = []
    for number in range(count):
        names = list(ways)[:: 1 if number % 2 == 0 else -1]
        found = {name: ways[name]() for name in names}
        turns.append({name: found[name] for name in ways})
    return turns


def of_turns(
    group: int,
    what: str,
    file: str,
    turns: Sequence[Turn],
    figure: Callable[[Turn], float],
    bar: float | None = None,
    *,
    at_least: bool = True,
) -> Finding:
    """Return the median of a figure over turns, in which all ways took one run each.

    A machine whose speed drifts changes all runs of a turn alike, and so not the figure.
    """
    values = [figure(turn) for turn in turns]
    medians = {
        name: float(f"{statistics.median(turn[name] for turn in turns):.4g}") for name in turns[0]
    }
    spread = (min(values), max(values))
    return Finding(group, what, file, statistics.median(values), bar, at_least, spread, medians)
