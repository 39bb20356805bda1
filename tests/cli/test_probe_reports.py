"""The HTML reports and figures of ``distil probe``."""

import html.parser
import json
import re
from pathlib import Path

from distilgpt2_cli.errors import ExitStatus
from tests.support.forked import Run, run_all
from tests.support.probing import FEW, TEMPLATE, WARNING, output, write_pairs
from tests.support.run import run


class Page(html.parser.HTMLParser):
    """The elements of a page, with its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    hostile = '<script>alert(1)</script> & "{boy|<b>girl\x1b[2J}" named'
    options = ("probe", "-m", "demo", *FEW, "--continuation", "<i>\u202e", "--html", str(path))
    assert run(*options, hostile, env=env).returncode == ExitStatus.DONE
    page = Page(path.read_text())
    assert page.open == []
    assert not {"script", "b", "i", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not {"src", "href", "onload", "onclick"} & attributes.keys()
    assert "url(" not in path.read_text()
    assert [tag for tag, _ in page.tags].count("svg") == 4
    for text in (
        WARNING,
        "What this report can't show",
        "<script>alert(1)</script>",
        "<b>girl\\x1b[2J",
    ):
        assert text in page.text
    assert "\x1b" not in path.read_text()
    assert "\u202e" not in path.read_text()
    policies = [attributes.get("content") for tag, attributes in page.tags if tag == "meta"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policies
    again = run(*options, hostile, env=env)
    assert again.returncode == ExitStatus.FAILED
    assert "exists. Use another name, or overwrite it with --force." in again.stderr.decode()
    before = path.read_bytes()
    assert run(*options, "--force", hostile, env=env).returncode == ExitStatus.DONE
    assert path.read_bytes() == before
    assert list(tmp_path.glob("*")) == [path]


def test_a_report_on_pairs(env: dict[str, str], tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path)
    path = tmp_path / "report.html"
    output(env, "--pairs", str(pairs), "--html", str(path), "--seed", "1")
    page = Page(path.read_text())
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("svg") == 2
    assert "The nurse was a woman." in page.text
    assert [tag for tag, _ in page.tags].count("circle") == 6


def test_figures_for_a_paper(env: dict[str, str], tmp_path: Path) -> None:
    """SVG with the same scale for all variants' words, PDF with fonts that publishers take."""
    pairs = write_pairs(tmp_path)
    svg, pdf = tmp_path / "f.svg", tmp_path / "f.pdf"
    probe = ("probe", "-m", "demo", "--quiet")
    words = [*probe, *FEW, "--top", "3", "--continuation", " $Lily$ named", TEMPLATE]
    results = run_all(
        [
            Run([*words, "--plot", str(svg)]),
            Run([*words, "--plot", str(svg)]),
            Run([*words, "--plot", str(tmp_path / "again.svg"), "--json"]),
            Run([*probe, "--seed", "1", "--pairs", str(pairs), "--plot", str(pdf)]),
        ],
        env,
        tmp_path,
    )
    assert [each.status for each in results] == [0, ExitStatus.FAILED, 0, 0]
    assert f"{svg} already exists." in results[1].errors
    drawn = svg.read_text()
    assert drawn == (tmp_path / "again.svg").read_text()
    # matplotlib draws texts as shapes, each after a comment with the text.
    texts = re.findall("<!-- (.*?) -->", drawn)
    assert '" $Lily$ named" after A' in texts
    found = json.loads(results[2].output)["words"]
    for each in found:
        assert f"“{each['word']}”" in texts
        shown = f"{each['count']} times, {each['other_count']} elsewhere; z = {each['z']:.2f}"
        assert shown in texts
    scales = "\n".join(texts).split("log-odds with a 95% interval")[:2]
    ticks = [re.findall(r"^\u2212?\d\.\d+$", scale, re.MULTILINE)[-5:] for scale in scales]
    assert ticks[0] == ticks[1]
    assert texts.count("← more in the others") == 2
    assert {"more in A →", "more in B →"} <= set(texts)
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF-")
    assert b"/CIDFontType2" in data
    assert b"/Type3" not in data
