"""A telephone: no Tab, no pointer that hovers."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browser import PATIENCE, Writer


@pytest.fixture
def telephone(browser: Browser, server: str) -> Iterator[Writer]:
    context = browser.new_context(
        viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True
    )
    context.set_default_timeout(PATIENCE)
    writer = Writer(context.new_page())
    writer.open(server)
    yield writer
    assert writer.complaints.messages == []
    context.close()


def test_all_is_done_by_touch(telephone: Writer) -> None:
    page = telephone.page
    telephone.write("Once upon a time")
    page.get_by_role("button", name="Suggest").tap()
    first = telephone.suggested()
    page.get_by_role("button", name="More").tap()
    more = telephone.suggested()
    assert more != first
    telephone.options.nth(2).tap()
    assert telephone.text.input_value().endswith(more[2])
    expect(telephone.text).to_be_focused()
    page.get_by_role("button", name="Suggest").tap()
    telephone.suggested()
    page.get_by_role("button", name="Close").tap()
    expect(telephone.list).to_be_hidden()


def test_nothing_is_said_of_keys_where_there_are_none(telephone: Writer, writer: Writer) -> None:
    page = telephone.page
    expect(telephone.text).to_have_attribute("placeholder", "Start writing, then tap Suggest.")
    expect(telephone.text).to_have_accessible_description("Tap Suggest, then tap what you like.")
    telephone.write("Once upon a time")
    expect(page.get_by_role("button", name="Suggest")).to_have_accessible_name("Suggest")
    page.get_by_role("button", name="Suggest").tap()
    telephone.suggested()
    expect(telephone.status).to_have_text("3 suggestions. Tap one to accept it.")
    shown = page.locator("body").inner_text()
    page.get_by_role("button", name="Close").tap()
    page.get_by_role("button", name="About the model").tap()
    for text in (shown, page.locator("body").inner_text()):
        assert "Suggest" in text or "Close" in text
        for key in ("Tab", "Esc", "Enter", "Ctrl", "Keys"):
            assert key not in text, key
    expect(writer.text).to_have_attribute("placeholder", "Start writing, then press Tab.")
