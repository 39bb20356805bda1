"""What is kept, taken away and set: the text, the copy, the file, the colours."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.web.browser import Writer

TEXT = "Once upon a time,\n\n\tžluťoučký kůň 😀\n"


def test_a_reload_keeps_text_and_settings(writer: Writer) -> None:
    writer.write("One day")
    writer.suggest()
    writer.press("1")
    writer.setting("Length", "33")
    text = writer.text.input_value()
    writer.page.reload()
    expect(writer.text).to_have_value(text)
    expect(writer.text).to_be_focused()
    writer.write("!")
    expect(writer.text).to_have_value(text + "!")
    writer.page.get_by_role("button", name="Settings").click()
    expect(writer.page.get_by_label("Length")).to_have_value("33")


def test_settings_of_another_version_do_no_harm(writer: Writer) -> None:
    writer.page.evaluate("localStorage.setItem('distil.settings', '{\"x\": [}')")
    writer.page.reload()
    assert len(writer.suggest()) == 3


def test_another_tab_takes_over_the_newer_text(writer: Writer, server: str) -> None:
    other = Writer(writer.page.context.new_page())
    other.open(server)
    other.write("From here")
    expect(writer.text).to_have_value("From here")


def test_copy(writer: Writer) -> None:
    writer.text.fill(TEXT)
    writer.page.get_by_role("button", name="Copy").click()
    expect(writer.status).to_have_text("Copied.")
    assert writer.page.evaluate("navigator.clipboard.readText()") == TEXT


def test_copy_without_the_clipboard_interface(writer: Writer) -> None:
    writer.page.evaluate("delete Navigator.prototype.clipboard")
    writer.text.fill(TEXT)
    writer.page.get_by_role("button", name="Copy").click()
    expect(writer.status).to_have_text("Copied.")
    writer.text.fill("")
    writer.press("Control+v")
    expect(writer.text).to_have_value(TEXT)


def test_download(writer: Writer) -> None:
    writer.text.fill(TEXT)
    with writer.page.expect_download() as download:
        writer.page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "text.txt"
    assert Path(download.value.path()).read_bytes() == TEXT.encode()


def colour(writer: Writer) -> str:
    return str(writer.page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_colours_follow_the_system_or_the_switch(writer: Writer) -> None:
    switch = writer.page.get_by_role("switch", name="Dark")
    expect(switch).to_have_attribute("aria-checked", "false")
    light = colour(writer)
    writer.page.emulate_media(color_scheme="dark")
    expect(switch).to_have_attribute("aria-checked", "true")
    dark = colour(writer)
    assert light != dark
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert colour(writer) == light
    writer.page.reload()
    assert colour(writer) == light
    switch.click()
    writer.page.emulate_media(color_scheme="light")
    expect(switch).to_have_attribute("aria-checked", "false")
    assert colour(writer) == light


def test_a_browser_that_keeps_nothing(page: Page, server: str) -> None:
    page.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') }"
    )
    writer = Writer(page)
    writer.open(server)
    writer.write("Once")
    expect(writer.status).to_contain_text("can't save the text")
    assert writer.suggest()
