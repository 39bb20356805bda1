"""What the page may do, and what a text can make it do: nothing."""

from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from tests.support import reciting
from tests.support.server import serving
from tests.web.browser import Writer

HOSTILE = (
    b"<img src=x onerror=alert(1)>",
    b"<script>alert(2)</script>",
    b"</textarea></li></ul><iframe src=javascript:alert(3)></iframe>",
    b"&lt;b&gt;<a href='javascript:alert(4)'>",
    b"\x1b[31m\xe2\x80\xae",
)


def test_the_headers(page: Page, server: str) -> None:
    response = page.goto(server)
    assert response is not None
    policy = dict(
        directive.split(" ", 1)
        for directive in response.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == "'none'"
    for name in ("script-src", "style-src"):
        assert policy[name].startswith("'sha256-")
        assert " " not in policy[name]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def test_nothing_comes_from_elsewhere(page: Page, server: str) -> None:
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    writer = Writer(page)
    writer.open(server)
    writer.write("Once")
    writer.suggest()
    assert {url.removeprefix(server) for url in urls if not url.startswith("data:")} == {
        "/",
        "/v1/models",
        "/v1/completions",
    }


@pytest.mark.parametrize(
    "attack",
    [
        "document.body.innerHTML = '<p>hello'",
        "document.querySelector('#options').insertAdjacentHTML('beforeend', '<li>')",
        "new DOMParser().parseFromString('<p>', 'text/html')",
    ],
)
def test_no_text_can_become_html(writer: Writer, attack: str) -> None:
    with pytest.raises(Error, match="TrustedHTML"):
        writer.page.evaluate(attack)
    writer.complaints.forgive("TrustedHTML")


def test_another_style_is_not_applied(writer: Writer) -> None:
    writer.page.evaluate(
        """() => {
            const style = document.createElement("style");
            style.textContent = "body { display: none }";
            document.head.append(style);
        }"""
    )
    expect(writer.text).to_be_visible()
    writer.complaints.forgive("violates the following Content Security Policy directive")


def test_the_page_can_not_be_framed(page: Page, server: str) -> None:
    page.goto("data:text/html,<iframe></iframe>")
    with page.expect_event("framenavigated", lambda frame: "chrome-error:" in frame.url):
        page.locator("iframe").evaluate("(frame, url) => { frame.src = url; }", server)


def test_a_hostile_text_is_a_text(page: Page, tmp_path: Path, env: dict[str, str]) -> None:
    model = reciting.write(tmp_path / "hostile.gguf", HOSTILE, name="<b>hostile</b>")
    page.on("dialog", lambda _dialog: pytest.fail("a script of the text runs"))
    writer = Writer(page)
    with serving("--model", str(model), env=env) as server:
        writer.open(server.url)
        before = page.locator("*").count()
        writer.setting("Surprise", "0")
        (shown,) = writer.suggest()
        text = b"".join(HOSTILE).decode()
        assert shown == text
        writer.press("1")
        expect(writer.text).to_have_value(text)
        assert page.locator("*").count() == before
        page.reload()
        expect(writer.text).to_have_value(text)
        assert page.locator("*").count() == before
    assert writer.complaints.messages == []


def test_an_error_of_the_server_is_a_text(writer: Writer) -> None:
    writer.page.route(
        "**/v1/completions",
        lambda route: route.fulfill(status=400, json={"error": {"message": HOSTILE[0].decode()}}),
    )
    writer.press("Tab")
    expect(writer.status).to_have_text(HOSTILE[0].decode())
    writer.complaints.forgive("400")
