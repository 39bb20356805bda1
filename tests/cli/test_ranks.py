"""``distil score --ranks`` and ``--html``: a text as a detector of generated text looks at it."""

import csv
import io
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from tests.support.run import run, terminal

SCORE = ("score", "-m", "demo", "--threads", "1")
TEXT = "The little bird was very happy,\nand 東京 said <b>&amp;\x1b[2J."
CLASSES = (10, 100, 1000, 10**9)


class Page(HTMLParser):
    """The tokens of a page: the class, the text and the tip of each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tokens: list[list[str]] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attributes)
        kind = given.get("class") or ""
        if tag == "span":
            self._open.append("token" if "tabindex" in given else kind)
            if "tabindex" in given:
                self.tokens.append([kind, "", ""])

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if "tip" in self._open:
            self.tokens[-1][2] += data
        elif "token" in self._open:
            self.tokens[-1][1] += data


def ranks(env: dict[str, str], *options: str) -> list[dict[str, str]]:
    made = run(*SCORE, "--csv", *options, TEXT, env=env).stdout.decode()
    return list(csv.DictReader(io.StringIO(made, newline="")))


def class_of(rank: int) -> int:
    return next(place for place, bound in enumerate(CLASSES) if rank <= bound)


def test_ranks_are_counted(env: dict[str, str]) -> None:
    found = [int(row["rank"]) for row in ranks(env)]
    shown = run(*SCORE, "--ranks", TEXT, env=env).stdout.decode()
    rows = re.findall(r"^(top [\d,]+|beyond) +(\d+) +([\d.]+)%", shown, re.MULTILINE)
    assert [name for name, _, _ in rows] == ["top 10", "top 100", "top 1,000", "beyond"]
    counts = [sum(class_of(rank) == each for rank in found) for each in range(4)]
    assert [int(count) for _, count, _ in rows] == counts
    assert [share for _, _, share in rows] == [f"{100 * each / len(found):.1f}" for each in counts]
    assert "This does not tell who wrote the text." in shown
    assert "RANK" in shown
    assert "RANK" not in run(*SCORE, TEXT, env=env).stdout.decode()


def test_shades_on_a_terminal(env: dict[str, str]) -> None:
    with terminal(*SCORE, "--ranks", TEXT, env=env, columns=100) as screen:
        assert screen.wait() == 0
    text = screen.output.decode()
    assert "\x1b[38;5;16;48;5;157m" in text
    assert "\x1b[38;5;16;48;5;183m" in text
    assert "\x1b[2J" not in text


def test_the_page(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "ranks.html"
    made = run(*SCORE, "--json", "--html", str(path), "--prefix", "<i>", TEXT, env=env)
    assert made.returncode == ExitStatus.DONE
    record = json.loads(made.stdout)
    page = Page(path)
    assert page.tags.isdisjoint({"script", "i", "img", "a"})
    assert "http:" not in page.source
    assert "default-src 'none'" in page.source
    assert "prove" in page.source
    assert record["model"]["sha256"] in page.source
    assert len(page.tokens) == len(record["scores"])
    shown = "".join(text for _, text, _ in page.tokens).replace("‧", "")
    assert shown == TEXT.replace("\x1b", "\\x1b")
    for (kind, _, tip), token in zip(page.tokens, record["scores"], strict=True):
        assert kind == f"t r{class_of(token['rank'])}"
        assert f"rank {token['rank']:,}" in tip
        assert f"{token['surprisal']:.2f} bits" in tip
        assert len(re.findall(r"[\d.]+%", tip)) == 6
        if token["rank"] == 1:
            assert tip.count(f"{2 ** -token['surprisal']:.2%}") == 2
    counts = [int(each) for each in re.findall(r'"number">([\d,]+)</td>', page.source)]
    assert sum(counts) == len(record["scores"])
    assert unescape(page.source).count("<i>") == 1
    again = run(*SCORE, "--html", str(path), TEXT, env=env)
    assert again.returncode == ExitStatus.FAILED
    assert b"already exists" in again.stderr


def test_windows_are_stated(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "ranks.html"
    windows = ("--window", "32", "--stride", "8")
    text = "The frog sang a song. " * 20
    made = run(*SCORE, "--json", *windows, "--html", str(path), text, env=env)
    record = json.loads(made.stdout)
    assert (record["window"], record["stride"]) == (32, 8)
    assert max(each["context"] for each in record["scores"]) == 31
    assert "of 32 tokens, each 8 tokens after the one before" in path.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--ranks", "--lines"), "show the tokens of one text"),
        (("--html", "x.html", "--words", "x"), "show the tokens of one text"),
        (("--html", "x.txt", "x"), "must end in .html"),
        (("--html", "x.html", "x" * 3 + " frog" * 20_001), "at most 20,000 tokens"),
    ],
)
def test_what_cannot_be_shown(env: dict[str, str], options: tuple[str, ...], message: str) -> None:
    result = run(*SCORE, *options, env=env)
    assert message in result.stderr.decode()
    assert result.returncode == ExitStatus.USAGE
