"""Where the list is: under the cursor, above it at the end of the window, below in a narrow one."""

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from tests.web.browser import PATIENCE, Writer

WORDS = "The quick brown fox jumps over the lazy dog and runs into the wood."


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found is not None
    return found


def width_of(writer: Writer, text: str) -> float:
    """Return how wide a text is in the font of the page, by another way than the page's own."""
    width: float = writer.text.evaluate(
        """(area, text) => {
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.font = getComputedStyle(area).font;
            return canvas.measureText(text).width;
        }""",
        text,
    )
    return width


def column(writer: Writer) -> dict[str, float]:
    """Return where the text begins and how high its lines are, in pixels."""
    found: dict[str, float] = writer.text.evaluate(
        """(area) => {
            const style = getComputedStyle(area), box = area.getBoundingClientRect();
            return {
                left: box.left + parseFloat(style.paddingLeft),
                top: box.top + parseFloat(style.paddingTop),
                line: parseFloat(style.lineHeight),
            };
        }"""
    )
    return found


@pytest.mark.parametrize("lines", [0, 1, 4])
@pytest.mark.parametrize("rest", ["", " and more", "\nand more"])
def test_under_the_cursor(writer: Writer, lines: int, rest: str) -> None:
    writer.text.fill("\n" * lines + "Once upon a time" + rest)
    for _ in rest:
        writer.press("ArrowLeft")
    writer.suggest()
    start = column(writer)
    list_ = box(writer.page.locator("#suggestions"))
    bottom = start["top"] + (lines + 1) * start["line"]
    assert bottom - 8 <= list_["y"] <= bottom + 8
    cursor = start["left"] + width_of(writer, "Once upon a time")
    assert cursor - 24 <= list_["x"] <= cursor


def test_under_the_cursor_of_a_wrapped_and_scrolled_text(writer: Writer) -> None:
    writer.text.fill(" ".join([WORDS] * 60))
    writer.press("Control+End")
    writer.suggest()
    list_, area = box(writer.page.locator("#suggestions")), box(writer.text)
    assert area["y"] < list_["y"]
    assert list_["y"] + list_["height"] <= 700
    writer.text.evaluate("(area) => { area.scrollTop -= 40; }")
    below(writer, list_["y"] + 30)


def below(writer: Writer, y: float) -> None:
    """Wait until the list is below a height of the window."""
    for _ in range(PATIENCE // 10):
        if box(writer.page.locator("#suggestions"))["y"] >= y:
            return
        writer.page.wait_for_timeout(10)
    raise AssertionError("the list did not follow the text")


@pytest.mark.parametrize("away", ["0", "area.scrollHeight"])
def test_a_cursor_out_of_view_is_scrolled_to(writer: Writer, away: str) -> None:
    writer.text.fill(" ".join([WORDS] * 60))
    writer.text.evaluate("(area) => { area.setSelectionRange(2000, 2000); }")
    writer.text.evaluate(f"(area) => {{ area.scrollTop = {away}; }}")
    writer.suggest()
    list_, area = box(writer.page.locator("#suggestions")), box(writer.text)
    assert area["y"] < list_["y"] + list_["height"]
    assert list_["y"] < area["y"] + area["height"]
    assert writer.text.evaluate("(area) => area.scrollTop") > 0


def test_above_the_cursor_at_the_bottom_of_the_window(writer: Writer) -> None:
    writer.text.fill("\n" * 13 + "Once upon a time")
    writer.suggest()
    start = column(writer)
    list_ = box(writer.page.locator("#suggestions"))
    scrolled = writer.text.evaluate("(area) => area.scrollTop")
    top = start["top"] + 13 * start["line"] - scrolled
    assert list_["y"] + list_["height"] <= top + 8
    assert list_["y"] >= 0


def test_whole_in_the_window_at_the_end_of_a_line(writer: Writer) -> None:
    writer.page.set_viewport_size({"width": 700, "height": 700})
    writer.text.fill("One day, when the sun was high in the sky, Lily and Tom went")
    writer.suggest()
    list_ = box(writer.page.locator("#suggestions"))
    assert list_["x"] >= 0
    assert list_["x"] + list_["width"] <= 700


def test_below_the_text_in_a_narrow_window(writer: Writer) -> None:
    writer.page.set_viewport_size({"width": 320, "height": 568})
    writer.text.fill(" ".join([WORDS] * 10) + "\nOnce upon a time")
    writer.press("Control+End")
    writer.suggest()
    list_, area = box(writer.page.locator("#suggestions")), box(writer.text)
    assert list_["x"] == 0
    assert list_["width"] == 320
    assert list_["y"] >= area["y"] + area["height"] - 1
    assert list_["y"] + list_["height"] <= 568
    assert area["height"] > 90
    # The line of the cursor, the last but the padding, is in what is left of the text.
    end = writer.text.evaluate(
        """(area) => area.scrollHeight - parseFloat(getComputedStyle(area).paddingBottom)
            - area.scrollTop - area.clientHeight"""
    )
    assert end <= 1


def test_nothing_is_wider_than_320_pixels(writer: Writer) -> None:
    writer.page.emulate_media(reduced_motion="reduce")
    writer.page.set_viewport_size({"width": 320, "height": 568})
    writer.write("Once upon a time")
    for button in ("Copy", "Download", "Settings", "Suggest"):
        shown = box(writer.page.get_by_role("button", name=button))
        assert shown["x"] >= 0
        assert shown["x"] + shown["width"] <= 320
    for opener, title in (("Settings", "Settings"), ("About the model", "About the model")):
        writer.page.get_by_role("button", name=opener).click()
        dialog = writer.page.get_by_role("dialog", name=title)
        shown = box(dialog)
        assert shown["x"] >= 0
        assert shown["x"] + shown["width"] <= 320
        assert dialog.evaluate("(it) => it.scrollWidth <= it.clientWidth")
        writer.press("Escape")
    writer.text.focus()
    writer.suggest()
    assert writer.page.evaluate("document.documentElement.scrollWidth") == 320


def test_a_text_from_right_to_left(writer: Writer) -> None:
    """The cursor, and with it the list, is where the paragraph's direction puts it."""
    writer.write("שלום")
    writer.suggest()
    area, list_ = box(writer.text), box(writer.page.locator("#suggestions"))
    assert list_["x"] + list_["width"] > area["width"] - 20
    writer.press("Escape")
    writer.text.fill("שלום\nHello")
    writer.press("Control+End")
    writer.suggest()
    assert box(writer.page.locator("#suggestions"))["x"] < area["x"] + area["width"] / 2
    for option in writer.options.all():
        expect(option.locator("span")).to_have_attribute("dir", "auto")
