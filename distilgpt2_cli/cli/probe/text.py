"""The results of a probe as text."""

import math
from collections.abc import Sequence

from ...probing.comparison import Comparison, Sample
from ...probing.contrasts import Contrast
from ...probing.paired import PairedTest, Preference
from ...probing.statistics import ALPHA_0, RESAMPLES, Interval
from ...terminal import Terminal
from ..shared.record import quoted
from .setup import CONTENT_WARNING, Setup

_SAMPLES = 5


def write_comparison(terminal: Terminal, setup: Setup, comparison: Comparison) -> None:
    """Write the results for the variants of a prompt."""
    terminal.write_paragraph(CONTENT_WARNING)
    terminal.write("\n")
    terminal.write_table(
        ("VARIANT", "PROMPT"),
        [(each.letter, quoted(each.prompt.encode())) for each in comparison.variants],
    )
    _write_next_tokens(terminal, comparison)
    if comparison.continuations:
        _write_continuations(terminal, comparison)
    if comparison.samples:
        _write_words(terminal, comparison)
        _write_samples(terminal, comparison)
    if comparison.interrupted:
        terminal.write("\n")
        terminal.write_line(
            f"Interrupted: {len(comparison.samples)} of {setup.count} seeds were completed."
        )


def write_pairs(terminal: Terminal, test: PairedTest) -> None:
    """Write how often the more stereotypical text is the more likely one."""
    terminal.write_paragraph(CONTENT_WARNING)
    terminal.write("\n")
    terminal.write_table(
        (
            "TYPE", "PAIRS", "PREFERRED", "SHARE", "95% INTERVAL", "MEAN DIFFERENCE",
            "95% INTERVAL",
        ),
        [_preference_row(each) for each in test.preferences],
    )  # fmt: skip
    terminal.write("\n")
    terminal.write_paragraph(
        "PREFERRED: pairs in which the more stereotypical text is the more likely one; the interval"
        " of SHARE is Wilson's. DIFFERENCE: of the log-probabilities in nats, more minus less;"
        f" its interval is from {RESAMPLES} resamples of the pairs."
    )
    if test.interrupted:
        terminal.write("\n")
        terminal.write_line(f"Interrupted: only the first {len(test.scored)} pairs were scored.")


def _preference_row(each: Preference) -> tuple[str, ...]:
    return (
        "(all)" if each.type is None else quoted(each.type.encode()),
        f"{each.pairs}",
        f"{each.preferred}" + (f" ({each.ties} ties)" if each.ties else ""),
        f"{each.share:.1%}",
        f"{each.interval.low:.1%} to {each.interval.high:.1%}",
        f"{each.mean_difference:+.4f}",
        _range(each.difference_interval, 4),
    )


def _range(interval: Interval, digits: int) -> str:
    return f"{interval.low:+.{digits}f} to {interval.high:+.{digits}f}"


def _heading(terminal: Terminal, title: str) -> None:
    terminal.write("\n")
    terminal.write_heading(title)


def _write_next_tokens(terminal: Terminal, comparison: Comparison) -> None:
    letters = [each.letter for each in comparison.variants]
    _heading(terminal, "Next token: the most likely ones, by their mean over the variants")
    terminal.write_table(
        (*(f"{letter:>9}" for letter in letters), "TOKEN"),
        [
            (*(f"{math.exp(value):>9.4%}" for value in each.logprobs), quoted(each.piece))
            for each in comparison.next_tokens
        ],
    )
    _heading(terminal, "Next token: Jensen-Shannon divergence in bits (0: identical, 1: disjoint)")
    terminal.write_table(
        ("PAIR", "  BITS"),
        [
            (f"{letters[each.first]} {letters[each.second]}", f"{each.bits:.4f}")
            for each in comparison.divergences
        ],
    )


def _write_continuations(terminal: Terminal, comparison: Comparison) -> None:
    _heading(terminal, "Continuations: log-probability in nats")
    terminal.write_table(
        (*(f"{each.letter:>10}" for each in comparison.variants), "TEXT"),
        [
            (*(f"{value:>10.4f}" for value in each.logprobs), quoted(each.text.encode()))
            for each in comparison.continuations
        ],
    )


def _write_words(terminal: Terminal, comparison: Comparison) -> None:
    for variant, words in zip(comparison.variants, comparison.words, strict=True):
        _heading(terminal, f"Words over-represented in {variant.label}")
        if words:
            terminal.write_table(
                ("COUNT", "ELSEWHERE", "LOG-ODDS", "95% INTERVAL    ", "     Z", "WORD"),
                [_word_row(each) for each in words],
            )
        else:
            terminal.write("None.\n")
    terminal.write("\n")
    terminal.write_paragraph(
        f"Log-odds have a prior from the words of all variants (alpha_0 = {ALPHA_0:g}); the"
        f" interval is from {RESAMPLES} resamples of the {len(comparison.samples)} paired seeds."
        " Among many words, some have a |z| above 2 by chance."
    )


def _word_row(each: Contrast) -> tuple[str, ...]:
    return (
        f"{each.count:>5}",
        f"{each.other_count:>9}",
        f"{each.log_odds:>+8.3f}",
        _range(each.interval, 3),
        f"{each.z:>6.2f}",
        each.word,
    )


def _write_samples(terminal: Terminal, comparison: Comparison) -> None:
    shown: Sequence[Sample] = comparison.samples[:_SAMPLES]
    _heading(terminal, f"Completions by seed, {len(shown)} of {len(comparison.samples)}")
    terminal.write_side_by_side(
        [variant.label for variant in comparison.variants],
        [(f"{each.seed}", each.texts) for each in shown],
    )
