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
