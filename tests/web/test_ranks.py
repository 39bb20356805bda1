"""The page of ``distil score --html`` in a browser: its figures by mouse and by keys."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.support.run import environment, run
from tests.web.browser import Complaints
from tests.web.test_access import violations

TEXT = "Once upon a time, there was a <b>girl</b> named 東京.\nShe sang an electric song. " * 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("ranks")
    path = folder / "ranks.html"
    command = ("score", "-m", "demo", "--threads", "1", "--json", "--html", str(path), TEXT)
    result = run(*command, env=environment(folder / "home"))
    assert result.returncode == 0, result.stderr
    return path, json.loads(result.stdout)


@pytest.fixture
def ranks(page: Page, made: tuple[Path, Any]) -> Iterator[Page]:
    complaints, urls = Complaints(page), list[str]()
    page.on("request", lambda request: urls.append(request.url))
    page.goto(made[0].as_uri())
    yield page
    assert complaints.messages == []
    assert urls == [made[0].as_uri()]


def test_figures_are_shown_by_mouse_and_by_keys(ranks: Page, made: tuple[Path, Any]) -> None:
    tokens = ranks.locator("p.text > .t")
    scores = made[1]["scores"]
    assert tokens.count() == len(scores)
    for place in (0, 7, len(scores) - 1):
        tip = tokens.nth(place).locator(".tip")
        expect(tip).to_be_hidden()
        tokens.nth(place).hover()
        expect(tip).to_be_visible()
        expect(tip).to_contain_text(f"rank {scores[place]['rank']:,}")
        expect(tip).to_be_in_viewport(ratio=1)
        ranks.mouse.move(0, 0)
        expect(tip).to_be_hidden()
    tokens.nth(3).focus()
    ranks.keyboard.press("Tab")
    expect(tokens.nth(4)).to_be_focused()
    expect(tokens.nth(4).locator(".tip")).to_be_visible()
    expect(tokens.nth(3).locator(".tip")).to_be_hidden()
    tokens.nth(9).hover()  # what is pointed at is above what has the focus
    expect(tokens.nth(9).locator(".tip")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1100])
def test_axe_finds_nothing(ranks: Page, scheme: Literal["light", "dark"], width: int) -> None:
    ranks.emulate_media(color_scheme=scheme)
    ranks.set_viewport_size({"width": width, "height": 700})
    assert violations(ranks) == []
    assert ranks.evaluate("document.documentElement.scrollWidth") <= width
