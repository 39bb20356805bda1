"""The page by keyboard and by screen reader alone."""

import re
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.web.browser import Writer


def test_the_roles_and_names(writer: Writer) -> None:
    expect(writer.page.locator("body")).to_match_aria_snapshot(
        """
        - banner:
          - heading /Write with .+/ [level=1]
          - button "Copy"
          - button "Download"
          - switch "Dark theme"
          - button "Settings"
        - main:
          - textbox "Your text"
        - contentinfo:
          - button /Suggest/
          - paragraph: Tab suggests. To leave the text, press Esc, then Tab.
          - paragraph:
            - text: /makes things up/
            - button "About the model"
        """
    )
    expect(writer.text).to_have_accessible_description(
        "Tab suggests. To leave the text, press Esc, then Tab."
    )
    assert writer.page.locator("html").get_attribute("lang") == "en"
    assert writer.page.title().startswith("Write with ")


def test_the_suggestions_as_a_screen_reader_has_them(writer: Writer) -> None:
    writer.write("Once upon a time")
    suggestions = writer.suggest()
    expect(writer.list).to_match_aria_snapshot(
        """
        - listbox "Suggestions":
          - option /1 .+/ [selected]
          - option /2 .+/
          - option /3 .+/
        """
    )
    for option, suggestion in zip(writer.options.all(), suggestions, strict=True):
        expect(option).to_have_accessible_name(re.compile(re.escape(suggestion)))
    expect(writer.status).to_have_text("3 suggestions. Up and Down select, Enter accepts.")
    expect(writer.status).to_have_attribute("role", "status")
    assert active(writer) == writer.options.nth(0).get_attribute("id")
    writer.press("ArrowDown")
    assert active(writer) == writer.options.nth(1).get_attribute("id")
    expect(writer.text).to_be_focused()
    writer.press("Escape")
    assert active(writer) is None


def active(writer: Writer) -> str | None:
    return writer.text.get_attribute("aria-activedescendant")


def test_tab_is_no_trap(writer: Writer) -> None:
    writer.write("Once")
    writer.press("Escape")
    expect(writer.status).to_have_text("Tab now leaves the text.")
    writer.press("Tab")
    expect(writer.page.get_by_role("button", name="Suggest")).to_be_focused()
    writer.press("Shift+Tab")
    expect(writer.text).to_be_focused()
    writer.press("Shift+Tab")
    expect(writer.page.get_by_role("button", name="Settings")).to_be_focused()
    expect(writer.text).to_have_value("Once")
    writer.press("Tab")
    expect(writer.text).to_be_focused()
    assert writer.suggest()


@pytest.mark.parametrize("letter", ["a", "A"])
def test_after_escape_a_letter_gives_tab_back(writer: Writer, letter: str) -> None:
    writer.press("Escape", letter)
    assert writer.suggest()


def test_shift_tab_leaves_the_suggestions_too(writer: Writer) -> None:
    writer.write("Once")
    writer.suggest()
    writer.press("Shift+Tab")
    expect(writer.list).to_be_hidden()
    expect(writer.page.get_by_role("button", name="Settings")).to_be_focused()


def test_all_is_done_by_keys(writer: Writer) -> None:
    focused = writer.page.locator(":focus")
    writer.press("Shift+Tab", "Enter")
    expect(writer.page.get_by_role("dialog", name="Settings")).to_be_visible()
    expect(focused).to_have_attribute("name", "max_tokens")
    writer.press("ArrowRight", "Tab", "Tab", "Tab", "ArrowLeft")
    expect(writer.page.get_by_label("Length")).to_have_value("21")
    expect(writer.page.get_by_label("Number")).to_have_value("2")
    writer.press("Escape")
    expect(focused).to_have_text("Settings")
    writer.press("Shift+Tab", "Space")
    expect(focused).to_have_attribute("aria-checked", "true")
    writer.press("Tab", "Tab")
    writer.write("Once upon a time")
    assert len(writer.suggest()) == 2
    writer.press("ArrowDown", "Enter", "Escape", "Tab", "Enter")
    assert len(writer.suggested()) == 2
    writer.press("Escape", "Escape", "Tab", "Tab", "Enter")
    expect(writer.page.get_by_role("dialog", name="About the model")).to_be_visible()
    writer.press("Tab", "Enter")
    expect(focused).to_have_text("About the model")


def test_the_focus_is_seen(writer: Writer) -> None:
    for name in ("Suggest", "About the model"):
        writer.press(*(("Escape", "Tab") if name == "Suggest" else ("Tab",)))
        button = writer.page.get_by_role("button", name=name)
        expect(button).to_be_focused()
        assert button.evaluate("(it) => getComputedStyle(it).outlineStyle") == "solid"


def test_reduced_motion(writer: Writer) -> None:
    writer.write("Once")
    moving = "(it) => getComputedStyle(it).animationName"
    list_ = writer.page.locator("#suggestions")
    writer.suggest()
    assert list_.evaluate(moving) == "appear"
    writer.press("Escape")
    writer.page.emulate_media(reduced_motion="reduce")
    writer.suggest()
    assert list_.evaluate(moving) == "none"


@pytest.mark.parametrize("width", [320, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(writer: Writer, scheme: Literal["light", "dark"], width: int) -> None:
    """Check names, roles, contrasts and more by the rules of axe-core."""
    page = writer.page
    page.set_viewport_size({"width": width, "height": 700})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert violations(page) == []
    writer.write("Once upon a time")
    writer.suggest()
    assert violations(page) == []
    writer.press("Escape")
    for button in ("Settings", "About the model"):
        page.get_by_role("button", name=button).click()
        assert violations(page) == []
        writer.press("Escape")


def violations(page: Page) -> list[str]:
    return [violation["id"] for violation in Axe().run(page).response["violations"]]
