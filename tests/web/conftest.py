"""A browser for all tests here, and a page that must not have errors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.run import environment
from tests.support.server import Server, serving
from tests.web.browser import PATIENCE, Writer, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the demo model."""
    env = environment(tmp_path_factory.mktemp("home"))
    with serving("--model", "demo", env=env) as server:
        yield server.url


@pytest.fixture(scope="session")
def slow_server(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Iterator[Server]:
    """A server whose model takes seconds for what the demo model does at once."""
    env = environment(tmp_path_factory.mktemp("home"))
    with serving("--model", str(trained), env=env) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a new profile; its clipboard may be used."""
    context = browser.new_context(
        viewport={"width": 1100, "height": 700},
        color_scheme="light",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def writer(page: Page, server: str) -> Iterator[Writer]:
    """A writer before the empty page; at the end the browser must have reported nothing."""
    writer = Writer(page)
    writer.open(server)
    yield writer
    assert writer.complaints.messages == []


@pytest.fixture
def slow_writer(page: Page, slow_server: Server) -> Iterator[Writer]:
    """A writer who sees the suggestions being written."""
    writer = Writer(page)
    writer.open(slow_server.url)
    writer.setting("Length", "100")
    writer.write("Once upon a time")
    yield writer
    assert writer.complaints.messages == []
