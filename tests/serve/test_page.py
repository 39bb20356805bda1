"""The page's document and its policy, as they are sent; tests/web opens it in a browser."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from distilgpt2_cli.serve import page

POLICY = dict(
    directive.split(" ", 1) for directive in page.headers()["Content-Security-Policy"].split("; ")
)


@pytest.mark.parametrize(
    ("element", "directive"), [("script", "script-src"), ("style", "style-src")]
)
def test_the_policy_allows_the_one_script_and_style(element: str, directive: str) -> None:
    (source,) = re.findall(
        rf"<{element}[^>]*>(.*?)</{element}>", page.document().decode(), re.DOTALL
    )
    assert len(source) > 1000
    digest = b64encode(sha256(source.encode()).digest()).decode()
    assert POLICY[directive] == f"'sha256-{digest}'"


def test_the_policy_allows_nothing_else() -> None:
    names = ("default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types")
    assert {POLICY[name] for name in names} == {"'none'"}
    assert "unsafe" not in str(POLICY)


def test_the_document_needs_nothing_else() -> None:
    text = page.document().decode()
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", text) == []
    assert re.findall(r"@import|url\(", text) == []
    # Inline styles and handlers would not be allowed.
    assert re.findall(r"""\s(?:style|on\w+)=["']""", text) == []


def test_its_addresses_are_relative() -> None:
    """So that it works behind a proxy that puts a prefix before the paths of the server."""
    text = page.document().decode()
    assert re.findall(r"""["'`(]/(?:v1|[a-z]+["'`?])[^"'`]*""", text) == []
    assert text.count('ask("v1/') == 2
