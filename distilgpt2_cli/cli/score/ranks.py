"""A text shaded by the ranks of its tokens: an HTML page that loads nothing and has no script.

It shows what GLTR showed (Gehrmann, Strobelt and Rush, 2019, https://arxiv.org/abs/1906.04043).
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING

from ... import __version__
from ...errors import UsageError
from ...files import new_file
from ...terminal.sanitize import visible
from ...terminal.shading import RANK_BOUNDS, rank_class
from ..shared.adapters import name_with_adapters
from ..shared.page import filled, policy_hash, readable, title_of
from ..shared.record import hashes_text, quoted
from ..tasks.score import ScoreTask, ScoreWork, rows_of

if TYPE_CHECKING:
    from ...engine import Score

TOP = 5
"""Alternatives that the page has for each token."""

MOST_TOKENS = 20_000
"""Of a page, which then has about 7 MB: more makes browsers slow."""

_FOLDER = Path(__file__).parent


def rank_counts(ranks: Sequence[int]) -> list[tuple[str, int]]:
    """Return how many tokens are among the 10 likeliest, and so on, each with its name."""
    names = [f"top {bound:,}" for bound in RANK_BOUNDS] + ["beyond"]
    found = [rank_class(rank) for rank in ranks]
    return [(name, found.count(place)) for place, name in enumerate(names)]


def check_size(tokens: int) -> None:
    """Make sure that a text of so many tokens is not too long for a page.

    Raises:
        UsageError: it is.
    """
    if tokens > MOST_TOKENS:
        raise UsageError(
            f"A page can't show {tokens:,} tokens.",
            f"Use a text of at most {MOST_TOKENS:,} tokens.",
        )


def write_page(
    path: Path, work: ScoreWork, task: ScoreTask, score: "Score", *, force: bool
) -> None:
    """Write the page.

    Raises:
        DistilError: it can't be written.
    """
    with new_file(path, force=force) as part:
        part.write_text(page(work, task, score), encoding="utf-8")


def page(work: ScoreWork, task: ScoreTask, score: "Score") -> str:
    """Return the HTML document for a text that was scored with alternatives."""
    assert score.places is not None
    style = _read("ranks.css")
    model = work.evaluator.model
    text = b"".join(map(model.piece, score.tokens)).decode(errors="replace")
    parts = {
        "policy": policy_hash(style),
        "style": style,
        "title": title_of(text),
        "vocabulary": f"{model.vocabulary_size:,}",
        "counts": _counts(score.places.ranks.tolist()[: len(score.tokens)]),
        "text": "".join(_tokens(work, score)),
        "model": readable(name_with_adapters(task.file)),
        "sha256": readable(hashes_text(task.file)),
        "prefix": escape(visible(task.prefix)) or "none",
        "windows": _windows(work, score),
        "program": readable(f"distil {__version__}"),
    }
    return filled(_read("ranks.html"), parts)


def _tokens(work: ScoreWork, score: "Score") -> Iterator[str]:
    """Yield each token with its figures and the likeliest ones at its place."""
    from ...engine.text import TextStream

    places, model = score.places, work.evaluator.model
    assert places is not None
    tops = zip(places.top_ids.tolist(), places.top.tolist(), strict=True)
    stream = TextStream()
    for (token, logprob, bits), rank, (ids, logprobs) in zip(
        rows_of(score), places.ranks.tolist(), tops, strict=False
    ):
        own = quoted(model.piece(token))
        shown = stream.feed(model.piece(token)) or "‧"  # a part of a character
        likely = "".join(
            f"<span>{readable(quoted(model.piece(each, special=True)))} {exp(value):.2%}</span>"
            for each, value in zip(ids, logprobs, strict=True)
        )
        yield (
            f'<span class="t r{rank_class(rank)}" tabindex="0">{escape(visible(shown))}'
            f'<span class="tip"><b>{readable(own)}</b>'
            f"<span>rank {rank:,}</span><span>{exp(logprob):.2%}</span><span>{bits:.2f} bits</span>"
            f"<br>Likeliest: {likely}</span></span>"
        )


def _counts(ranks: Sequence[int]) -> str:
    return "".join(
        f'<tr><th scope="row"><span class="t r{place}">{name}</span></th>'
        f'<td class="number">{count:,}</td><td class="number">{count / len(ranks):.1%}</td>'
        f'<td class="bar"><progress max="{len(ranks)}" value="{count}"'
        f' aria-label="{name}"></progress></td></tr>'
        for place, (name, count) in enumerate(rank_counts(ranks))
    )


def _windows(work: ScoreWork, score: "Score") -> str:
    window, stride = work.scorer.window, work.scorer.stride
    if score.prefix_tokens + len(score.tokens) <= window:
        return f"one: the whole text, of {len(score.tokens):,} tokens"
    return f"of {window:,} tokens, each {stride:,} tokens after the one before"


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
