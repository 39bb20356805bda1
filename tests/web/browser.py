"""Debian's Chromium, driven by Playwright, on a page of a real server."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 30_000  # milliseconds, for what a busy machine may be slow at
expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium without a window: what ``CHROMIUM`` names, or the search path has."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert executable, (
        "No Chromium. Install it (`apt-get install chromium`) or name it in CHROMIUM."
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Complaints:
    """What the browser reports about a page: policy violations, errors, warnings."""

    def __init__(self, page: Page) -> None:
        """Listen to a page that has not been opened yet."""
        self.messages: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.messages.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.messages.append(message.text)

    def forgive(self, part: str) -> None:
        """Remove those that a test has caused, of which there must be one."""
        others = [message for message in self.messages if part not in message]
        assert len(others) < len(self.messages), self.messages
        self.messages = others


class Writer:
    """Someone who writes on the page."""

    def __init__(self, page: Page) -> None:
        """Take a page that has not been opened yet."""
        self.page = page
        self.complaints = Complaints(page)
        self.text = page.get_by_role("textbox", name="Your text")
        self.options = page.get_by_role("option")
        self.list = page.get_by_role("listbox", name="Suggestions")
        self.status = page.get_by_role("status")

    def open(self, address: str) -> None:
        """Go to the page and wait until it can be written on."""
        self.page.goto(address)
        expect(self.text).to_be_focused()

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        """Type where the cursor is."""
        expect(self.text).to_be_focused()
        self.page.keyboard.type(text)

    def suggested(self) -> list[str]:
        """Wait for the suggestions that are being written, and return them as they are shown."""
        expect(self.list).to_have_attribute("aria-busy", "false")
        return self.options.locator("span").all_text_contents()

    def suggest(self) -> list[str]:
        """Press Tab and wait for the suggestions."""
        self.press("Tab")
        return self.suggested()

    def setting(self, name: str, value: str) -> None:
        """Change a setting in the drawer."""
        self.page.get_by_role("button", name="Settings").click()
        self.page.get_by_label(name, exact=True).fill(value)
        self.page.get_by_role("button", name="Done").click()
        self.text.focus()
