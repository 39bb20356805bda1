"""The page of ``distil lens``, without a browser: its data, its policy, and hostile texts."""

import html.parser
import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distilgpt2_cli.engine import Model, look_inside
from distilgpt2_cli.errors import ExitStatus
from tests.support.run import run

HOSTILE = "</script><script>alert(1)</script> {{weights}} <!-- \x1b[2J \u202e & naïve"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.support.run import environment

    folder = tmp_path_factory.mktemp("page")
    path = folder / "page.html"
    env = environment(folder / "home")
    result = run("lens", "-m", "demo", "--threads", "1", "--html", str(path), HOSTILE, env=env)
    assert (result.returncode, result.stderr) == (ExitStatus.DONE, b"")
    return path.read_text(encoding="utf-8")


class _Page(html.parser.HTMLParser):
    """The elements of a page, and what is in its scripts and its style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: list[tuple[dict[str, str | None], str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.blocks.append((dict(attributes) | {"tag": tag}, ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            attributes, before = self.blocks.pop()
            self.blocks.append((attributes, before + data))


def block(page: _Page, **wanted: str) -> str:
    (found,) = (data for attributes, data in page.blocks if wanted.items() <= attributes.items())
    return found


def test_the_data_is_what_was_computed(written: str, bundled: Path) -> None:
    page = _Page(written)
    data: dict[str, Any] = json.loads(block(page, id="data"))
    with Model(bundled) as model:
        tokens = model.tokenize(HOSTILE)
        inside = look_inside(model, tokens, 1)
    count = len(tokens)
    assert len(data["tokens"]) == count
    assert (data["layers"], data["heads"], data["leftOut"]) == (6, 5, 0)
    assert data["ranks"] == inside.lens.ranks.tolist()
    for name, values in (
        ("shares", np.exp(inside.lens.top_logprobs)),
        ("nextShares", np.exp(inside.lens.logprobs)),
        ("entropies", inside.lens.entropies),
    ):
        np.testing.assert_allclose(data[name], values, atol=1e-5)
    shown = sorted({*tokens, *inside.lens.top_ids.flatten().tolist()})
    ids = np.array(shown)
    assert np.array_equal(ids[data["tokens"]], tokens)
    assert np.array_equal(ids[data["top"]], inside.lens.top_ids)
    weights = np.frombuffer(b64decode(block(page, id="weights")), "<u2").reshape(6, 5, -1)
    assert inside.attentions is not None
    rows, columns = np.tril_indices(count)
    np.testing.assert_allclose(weights / 65535, inside.attentions[:, :, rows, columns], atol=1e-5)


def test_the_policy_allows_the_one_script_and_style(written: str) -> None:
    page = _Page(written)
    (policy,) = (
        str(attributes["content"])
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    for name, wanted in (("script", {"type": "module"}), ("style", {"tag": "style"})):
        source = block(page, **wanted)
        assert len(source) > 1000
        digest = b64encode(sha256(source.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_text_is_never_markup(written: str) -> None:
    page = _Page(written)
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert re.findall(r"""\s(?:src|href|style|on\w+)=["']""", written) == []
    assert re.findall(r"@import|url\(", written) == []
    assert "\x1b" not in written
    assert "\u202e" not in written
    title = re.search("<title>(.*)</title>", written)
    assert title
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in title[1]
    assert "{{weights}}" in title[1]


def test_an_existing_page_stays(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("mine")
    options = ("lens", "-m", "demo", "--html", str(path))
    result = run(*options, "Hi", env=env)
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, b"")
    assert b"overwrite it with --force" in result.stderr
    assert path.read_text() == "mine"
    assert run(*options, "--force", "Hi", env=env).returncode == ExitStatus.DONE
    before = path.read_bytes()
    assert run(*options, "--force", "Hi", env=env).returncode == ExitStatus.DONE
    assert path.read_bytes() == before
