"""Errors of the server, as the page shows them."""

import signal
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.server import serving
from tests.web.browser import Writer

KEY = "correct-horse"


def test_a_server_that_is_gone(page: Page, env: dict[str, str]) -> None:
    writer = Writer(page)
    with serving("--model", "demo", env=env) as server:
        writer.open(server.url)
        writer.write("Once upon a time")
    writer.press("Tab")
    expect(writer.status).to_have_text(
        "The server can't be reached. Is distil serve still running?"
    )
    expect(writer.list).to_be_hidden()
    writer.write(", then")
    expect(writer.text).to_have_value("Once upon a time, then")
    expect(writer.status).to_be_empty()
    writer.complaints.forgive("ERR_CONNECTION_REFUSED")


def test_what_had_arrived_is_kept_when_the_connection_is_lost(
    page: Page, env: dict[str, str], trained: Path
) -> None:
    writer = Writer(page)
    with serving("--model", str(trained), env=env) as server:
        writer.open(server.url)
        writer.setting("Length", "100")
        writer.write("Once upon a time")
        writer.press("Tab")
        expect(writer.options.nth(0).locator("span")).not_to_be_empty()
        server.process.send_signal(signal.SIGKILL)
        expect(writer.status).to_have_text("The connection to the server was lost. Try again.")
    suggestions = writer.suggested()
    writer.press("1")
    assert writer.text.input_value().endswith(suggestions[0])
    writer.complaints.forgive("ERR_INCOMPLETE_CHUNKED_ENCODING")


def test_a_key_is_asked_for_and_kept_for_the_tab(page: Page, env: dict[str, str]) -> None:
    writer = Writer(page)
    with serving("--model", "demo", "--api-key", KEY, env=env) as server:
        writer.open(server.url)
        writer.write("Once upon a time")
        writer.press("Tab")
        dialog = page.get_by_role("dialog", name="This server needs a key")
        field = page.get_by_label("Key", exact=True)
        expect(field).to_be_focused()
        expect(field).not_to_have_accessible_description("didn't accept")
        page.keyboard.type("wrong")
        writer.press("Enter")
        expect(dialog.get_by_text("The server didn't accept that key.")).to_be_visible()
        expect(field).to_have_value("")
        page.keyboard.type(KEY)
        writer.press("Enter")
        assert len(writer.suggested()) == 3
        expect(page.get_by_role("heading", level=1)).to_have_text("Write with demo")
        expect(writer.text).to_be_focused()
        page.reload()
        expect(writer.text).to_be_focused()
        assert len(writer.suggest()) == 3
        assert KEY not in page.evaluate("JSON.stringify(localStorage)")
        assert KEY in page.evaluate("JSON.stringify(sessionStorage)")
    writer.complaints.forgive("401")


def test_without_a_key_one_can_go_on_writing(page: Page, env: dict[str, str]) -> None:
    writer = Writer(page)
    with serving("--model", "demo", "--api-key", KEY, env=env) as server:
        writer.open(server.url)
        writer.press("Tab")
        expect(page.get_by_label("Key", exact=True)).to_be_focused()
        page.get_by_role("button", name="Cancel").click()
        writer.write("Once")
        expect(writer.text).to_have_value("Once")
        writer.press("Tab", "Escape")
        expect(writer.text).to_be_focused()
    writer.complaints.forgive("401")


def test_a_server_that_is_busy(page: Page, env: dict[str, str], trained: Path) -> None:
    arguments = ("--model", str(trained), "--parallel", "3", "--queue", "0")
    with serving(*arguments, env=env) as server:
        first, second = Writer(page), Writer(page.context.new_page())
        first.open(server.url)
        first.setting("Length", "100")
        first.press("Tab")
        expect(first.options.nth(0).locator("span")).not_to_be_empty()
        second.open(server.url)
        second.press("Tab")
        expect(second.status).to_have_text("The server is busy. Try again in 1 s.")
        second.complaints.forgive("429")
