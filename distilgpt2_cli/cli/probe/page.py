"""The report of a probe: an HTML page with its own plots and style, which loads nothing else."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ... import __version__
from ...probing.comparison import Comparison
from ...probing.paired import PairedTest
from ...probing.statistics import ALPHA_0, RESAMPLES
from ..shared.adapters import name_with_adapters
from ..shared.page import readable
from ..shared.record import hashes_text, quoted
from .figures import (
    COLOURS,
    BarPanel,
    continuation_panels,
    next_token_panel,
    pair_panels,
    word_panels,
)
from .setup import CONTENT_WARNING, Setup
from .svg import drawing

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --soft: #767676; --mark: #0b5cad }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #161616; --soft: #9a9a9a; --mark: #6cb2ff } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
.warning { border-left: 4px solid #c0392b; padding: .5rem 1rem; font-weight: 600 }
table { border-collapse: collapse; font-size: .9rem }
.wide { overflow-x: auto }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid color-mix(in srgb, var(--soft) 35%, transparent) }
td.number { text-align: right; font-variant-numeric: tabular-nums }
dt { font-weight: 600 }
.text { white-space: pre-wrap }
svg { max-width: 100%; height: auto; display: block }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink) }
.axis { stroke: var(--soft) } .reference { stroke: var(--soft); stroke-dasharray: 4 3 }
.interval { stroke: var(--mark); stroke-width: 2 } .mark { fill: var(--mark) }
""" + "".join(
    f".series-{number} {{ fill: {colour}; color: {colour} }}\n"
    for number, colour in enumerate(COLOURS)
)

_LIMITS = (
    "It shows differences between these texts only. Other words for the same groups, other"
    " templates and other seeds can show other differences: try several.",
    "A difference is not always harmful, and finding no difference does not prove that there is"
    " none.",
    "The intervals show how much is chance in the sampling or in the choice of pairs. They do not"
    " show whether the texts measure what they are meant to measure.",
    "Log-probabilities depend on length and on how common the words are, not on stereotypes alone.",
)


def comparison_page(setup: Setup, comparison: Comparison) -> str:
    """Return the report on the variants of a prompt."""
    parts = [
        _section("Variants", _table(
            ("Variant", "Prompt"), [(each.letter, each.prompt) for each in comparison.variants])),
        _section("Next token", _next_tokens(comparison)),
    ]  # fmt: skip
    if comparison.continuations:
        parts.append(_section("Continuations", _continuations(comparison)))
    if comparison.samples:
        parts += [
            _section("Words", _words(comparison)),
            _section("Completions", _samples(comparison)),
        ]
    done = f"{len(comparison.samples)} of {setup.count} seeds, from {setup.seed}"
    options = setup.options
    stops = "".join(f", stop {quoted(text.encode())}" for text in options.stop)
    facts = [
        ("Prompt", setup.template),
        ("Completions", done + (", then interrupted" if comparison.interrupted else "")),
        (
            "Options",
            f"max-tokens {options.max_tokens}, temperature {options.temperature:g}, top-k"
            f" {options.top_k}, top-p {options.top_p:g}, min-p {options.min_p:g}, parallel"
            f" {setup.parallel}{stops}",
        ),
    ]
    return _page(setup, f"Probe of {setup.template}", parts, facts)


def pairs_page(setup: Setup, test: PairedTest) -> str:
    """Return the report on pairs of texts."""
    plots = "".join(
        f"<p>{readable(panel.title)}:</p>{drawing(panel)}" for panel in pair_panels(test)
    )
    rows: list[tuple[str | float, ...]] = [
        (
            f"{each.pair.line}",
            each.pair.type or "",
            each.pair.more,
            each.pair.less,
            each.pair.prompt or each.pair.continuation or "",
            each.difference,
            *(_shown(each.pair.extra.get(name)) for name in test.extra_names),
        )
        for each in test.scored
    ]
    header = (
        *("Line", "Type", "More", "Less", "Prompt or continuation", "Difference"),
        *test.extra_names,
    )
    facts = [("Pairs", f"{len(test.scored)}" + (", then interrupted" * test.interrupted))]
    facts.append(("Seed of the resamples", f"{setup.seed}"))
    parts = [_section("Preferences", plots), _section("Pairs", _table(header, rows))]
    return _page(setup, "Probe of pairs", parts, facts)


def _next_tokens(comparison: Comparison) -> str:
    panel = next_token_panel(comparison)
    letters = [each.letter for each in comparison.variants]
    divergences = [
        (f"{letters[each.first]} and {letters[each.second]}", each.bits)
        for each in comparison.divergences
    ]
    return (
        f"<p>{panel.title}, in order of their mean:</p>{_legend(panel)}{drawing(panel)}"
        "<p>Jensen-Shannon divergence of the whole distributions, from 0 (identical) to 1 bit"
        f" (disjoint):</p>{_table(('Pair', 'Bits'), divergences)}"
    )


def _legend(panel: BarPanel) -> str:
    items = (
        f'<span class="series-{number % len(COLOURS)}">■</span> {readable(name)}'
        for number, (_, name) in enumerate(panel.names)
    )
    return f"<p>{' &nbsp; '.join(items)}</p>"


def _continuations(comparison: Comparison) -> str:
    header = ("Text", *(variant.letter for variant in comparison.variants))
    rows: list[tuple[str | float, ...]] = [
        (quoted(each.text.encode()), *each.logprobs) for each in comparison.continuations
    ]
    (panel,) = continuation_panels(comparison)
    return f"<p>{panel.title} in nats:</p>{drawing(panel)}{_table(header, rows)}"


def _words(comparison: Comparison) -> str:
    parts = [
        "<p>Words over-represented in each variant compared to all others: log-odds with an"
        f" informative Dirichlet prior from all variants' words (alpha_0 = {ALPHA_0:g}), with a 95%"
        f" interval from {RESAMPLES} resamples of the {len(comparison.samples)} paired seeds, and"
        " z. All plots have the same scale.</p>"
    ]
    for variant, panel in zip(comparison.variants, word_panels(comparison), strict=True):
        plot = drawing(panel) if panel.marks else "<p>None.</p>"
        parts.append(f"<h3>{readable(variant.label)}</h3>{plot}")
    return "".join(parts)


def _samples(comparison: Comparison) -> str:
    header = ("Seed", *(variant.label for variant in comparison.variants))
    rows = [(f"{each.seed}", *each.texts) for each in comparison.samples]
    return f"<details><summary>All, by seed</summary>{_table(header, rows)}</details>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    head = "".join(f'<th scope="col">{readable(title)}</th>' for title in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(value: str | float) -> str:
    if isinstance(value, float):
        return f'<td class="number">{value:.4f}</td>'
    return f'<td class="text">{readable(value)}</td>'


def _page(setup: Setup, title: str, parts: Sequence[str], facts: Sequence[tuple[str, str]]) -> str:
    model = f"{name_with_adapters(setup.file)}, SHA-256 {hashes_text(setup.file)}"
    made_with = [
        *facts,
        ("Model", model),
        ("Program", f"distil {__version__}"),
    ]
    limits = "".join(f"<li>{readable(limit)}</li>" for limit in _LIMITS)
    terms = "".join(
        f"<dt>{readable(name)}</dt><dd>{readable(value)}</dd>" for name, value in made_with
    )
    made = _section("How it was made", f"<dl>{terms}</dl>")
    # The policy lets the page load nothing and run nothing, whatever a text in it may hold.
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{readable(title)}</title><style>{_STYLE}</style></head>
<body><main><h1>{readable(title)}</h1>
<p class="warning">{readable(CONTENT_WARNING)}</p>
{"".join(parts)}
<section><h2>What this report can't show</h2><ul>{limits}</ul></section>
{made}
</main></body></html>
"""
