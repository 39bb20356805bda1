"""The panels of a probe: round axes, and marks, bars and texts where they belong."""

from xml.etree import ElementTree

import pytest

from distilgpt2_cli.cli.probe.figures import Axis, BarPanel, IntervalPanel, Mark, round_ticks
from distilgpt2_cli.cli.probe.svg import drawing
from distilgpt2_cli.cli.shared.page import readable

SHARES = Axis("share", (0.0, 0.25, 0.5, 0.75, 1.0), percent=True, reference=0.5, sides=("l", "r"))


def elements(svg: str, tag: str, kind: str | None = None) -> list[dict[str, str]]:
    found = [each.attrib for each in ElementTree.fromstring(svg).iter(tag)]
    return [each for each in found if kind in (None, each.get("class"))]


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("text")]


@pytest.mark.parametrize(
    ("low", "high", "ticks", "labels"),
    [
        (0.0, 0.17, (0.0, 0.05, 0.1, 0.15, 0.2), ["0.00", "0.05", "0.10", "0.15", "0.20"]),
        (-0.3, 2.3, (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5), None),
        (-3.0, 0.0, (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0), None),
        (0.0, 0.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), None),
        (5.0, 5.0, (5.0, 5.2), None),
        (-31.0, 12.0, (-40.0, -30.0, -20.0, -10.0, 0.0, 10.0, 20.0), None),
        (-2.0, -1.0, (-2.0, -1.8, -1.6, -1.4, -1.2, -1.0), None),
        (-1.0, 7.0, (-2.0, 0.0, 2.0, 4.0, 6.0, 8.0), ["−2", "0", "2", "4", "6", "8"]),  # noqa: RUF001
    ],
)
def test_round_ticks(
    low: float, high: float, ticks: tuple[float, ...], labels: list[str] | None
) -> None:
    found = round_ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    assert found == pytest.approx(ticks) or low == high
    if labels:
        assert Axis("", found).labels == labels
    assert "-" not in "".join(Axis("", found).labels)


def test_marks_stand_between_the_ends_of_the_axis() -> None:
    marks = [Mark("a", 0.25, 0.0, 0.5, "1 of 4"), Mark("b", 1.0, 0.5, 1.0)]
    svg = drawing(IntervalPanel("shares", SHARES, marks))
    first, second = (float(each["cx"]) for each in elements(svg, "circle"))
    (line,) = elements(svg, "line", "reference")
    (axis, *_) = elements(svg, "line", "axis")
    left, right = float(axis["x1"]), float(axis["x2"])
    assert first == pytest.approx(left + (right - left) / 4)
    assert second == pytest.approx(right)
    assert float(line["x1"]) == pytest.approx((left + right) / 2)
    intervals = elements(svg, "line", "interval")
    assert [float(each["x1"]) for each in intervals] == [left, float(line["x1"])]
    names = ["← l", "r →", "a", "1 of 4", "b"]
    assert texts(svg) == [*names, "0%", "25%", "50%", "75%", "100%", "share"]


def test_nothing_to_scale() -> None:
    axis = Axis("", round_ticks(0.0, 0.0))
    assert len(elements(drawing(IntervalPanel("same", axis, [Mark("a", 0, 0, 0)])), "circle")) == 1
    assert drawing(BarPanel("none", axis, ["a"], [("A", "A (a)")], [[0.0]]))


def test_bars_are_as_long_as_their_values() -> None:
    axis = Axis("", round_ticks(0.0, 0.2), percent=True)
    names = [("A", "A (x)"), ("B", "B (y)")]
    svg = drawing(BarPanel("shares", axis, ["x", "y"], names, [[0.2, 0.1], [0.05, 0.0]]))
    widths = [float(each["width"]) for each in elements(svg, "rect")]
    assert widths == pytest.approx([widths[0], widths[0] / 4, widths[0] / 2, 0])
    assert "A 20.00%" in texts(svg)
    assert texts(svg)[-5:] == ["0%", "5%", "10%", "15%", "20%"]


def test_texts_are_escaped() -> None:
    hostile = '<script>"&\x1b\u202e\n'
    axis = Axis(hostile, (0.0, 1.0))
    svg = drawing(IntervalPanel(hostile, axis, [Mark(hostile, 0, 0, 1, hostile)]))
    assert "<script" not in svg
    assert texts(svg)[0] == '<script>"&\\x1b\\u202e\\n'
    assert readable("<a b='c'>") == "&lt;a b=&#x27;c&#x27;&gt;"
    long = drawing(BarPanel("long", axis, ["w" * 100], [("A", "")], [[1.0]]))
    assert texts(long)[0] == "w" * 27 + "…"
