"""Plots: marks and bars where they belong, and texts that are only texts."""

from xml.etree import ElementTree

import pytest

from distilgpt2_cli.cli.probe.svg import Mark, bar_plot, interval_plot, readable


def elements(drawing: str, tag: str, kind: str | None = None) -> list[dict[str, str]]:
    found = [each.attrib for each in ElementTree.fromstring(drawing).iter(tag)]
    return [each for each in found if kind in (None, each.get("class"))]


def texts(drawing: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(drawing).iter("text")]


def test_marks_stand_between_the_ends_of_the_axis() -> None:
    marks = [Mark("a", 0.25, 0.0, 0.5, "1 of 4"), Mark("b", 1.0, 0.5, 1.0)]
    drawing = interval_plot("shares", marks, 0.5, (0.0, 1.0), "%")
    first, second = (float(each["cx"]) for each in elements(drawing, "circle"))
    (line,) = elements(drawing, "line", "reference")
    (axis, *_) = elements(drawing, "line", "axis")
    left, right = float(axis["x1"]), float(axis["x2"])
    assert first == pytest.approx(left + (right - left) / 4)
    assert second == pytest.approx(right)
    assert float(line["x1"]) == pytest.approx((left + right) / 2)
    intervals = elements(drawing, "line", "interval")
    assert [float(each["x1"]) for each in intervals] == [left, float(line["x1"])]
    assert texts(drawing) == ["a", "1 of 4", "b", "0%", "50%", "100%"]


def test_an_axis_has_room_for_all_intervals() -> None:
    drawing = interval_plot("odds", [Mark("a", 1, 0.5, 2), Mark("b", -1, -3, 0)], 0.0)
    places = [
        float(each[end]) for each in elements(drawing, "line", "interval") for end in ("x1", "x2")
    ]
    (axis, *_) = elements(drawing, "line", "axis")
    assert (min(places), max(places)) == (float(axis["x1"]), float(axis["x2"]))
    assert texts(drawing)[-3:] == ["-3.00", "0.00", "2.00"]


def test_nothing_to_scale() -> None:
    drawing = interval_plot("same", [Mark("a", 0, 0, 0)], 0.0)
    assert len(elements(drawing, "circle")) == 1
    assert bar_plot("none", ["a"], ["A"], [[0.0]])


def test_bars_are_as_long_as_their_values() -> None:
    drawing = bar_plot("shares", ["x", "y"], ["A", "B"], [[0.2, 0.1], [0.05, 0.0]])
    widths = [float(each["width"]) for each in elements(drawing, "rect")]
    assert widths == pytest.approx([widths[0], widths[0] / 4, widths[0] / 2, 0])
    assert "A 20.00%" in texts(drawing)
    assert texts(drawing)[-2:] == ["0%", "20%"]


def test_texts_are_escaped() -> None:
    hostile = '<script>"&\x1b\u202e\n'
    drawing = interval_plot(hostile, [Mark(hostile, 0, -1, 1, hostile)], 0.0)
    assert "<script" not in drawing
    assert texts(drawing)[0] == '<script>"&\\x1b\\u202e\\n'
    assert readable("<a b='c'>") == "&lt;a b=&#x27;c&#x27;&gt;"
    long = bar_plot("long", ["w" * 100], ["A"], [[1.0]])
    assert texts(long)[0] == "w" * 27 + "…"
